// The site: two languages of the same pages, one plugin for code and its annotations, no foreign host.
import { defineConfig } from 'vitepress'

import { annotatedCode } from './annotated-code.mts'
import { timelines } from './figures.mts'
import { headingIds } from './headings.mts'
import { joinChineseLines } from './chinese-lines.mts'
import { english, chinese, searchTexts } from './languages.mts'
import { tokenize } from './tokenize.mts'
import { linksIntoTheTree } from './tree.mts'
import { translationState } from './translation.mts'

export default defineConfig({
  title: 'Echo Lab',
  description: 'Blocking network servers on Linux, line by line',
  cleanUrls: false,
  rewrites: { 'en/:rest*': ':rest*' },
  srcExclude: ['**/README.md', 'generated/**'],
  head: [['link', { rel: 'icon', href: '/echo.svg', type: 'image/svg+xml' }]],
  locales: { root: english, zh: chinese },
  transformPageData: translationState,
  router: { prefetchLinks: false }, // a page costs its own bytes, not its neighbours'
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { permalink: false }, // headings.mts gives the ids, and the links
    headers: { level: [2, 3] },
    config(md) {
      md.use(headingIds)
      md.use(annotatedCode)
      md.use(linksIntoTheTree)
      md.use(timelines)
      md.use(joinChineseLines)
    },
  },
  themeConfig: {
    search: {
      provider: 'local',
      options: {
        locales: { zh: { translations: searchTexts } },
        miniSearch: { options: { tokenize }, searchOptions: { tokenize, prefix: true, fuzzy: false } },
      },
    },
  },
})
