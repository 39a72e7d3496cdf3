// The default theme without its fonts, with three additions: the notice of a translation that is behind, notes that
// stand beside their lines, and solutions that can be folded away.
import { h } from 'vue'
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'

import Behind from './Behind.vue'
import Notes from './Notes.vue'
import './style.css'

export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'doc-before': () => [h(Behind)], 'doc-top': () => h(Notes) }),
} satisfies Theme
