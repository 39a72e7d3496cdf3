// The default theme without its fonts, with three additions: the notice of a translation that is behind, notes that
// stand beside their lines, and solutions that can be folded away.
import { h, nextTick } from 'vue'
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'

import Behind from './Behind.vue'
import Notes from './Notes.vue'
import './style.css'

export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'doc-before': () => [h(Behind)], 'doc-top': () => h(Notes) }),
  enhanceApp({ router }) {
    // The home page has no <main>: what stands in its place says that it is the main part.
    if (import.meta.env.SSR) return
    router.onAfterRouteChange = () => nextTick(() => {
      const content = document.querySelector('#VPContent')
      if (content?.querySelector('main')) content.removeAttribute('role')
      else content?.setAttribute('role', 'main')
    })
  },
} satisfies Theme
