// What stands around the pages in each language: navigation, side bar, and the theme's own words.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { DefaultTheme, LocaleSpecificConfig } from 'vitepress'

import { headings, slug } from './headings.mts'

const DOCS = resolve(import.meta.dirname ?? __dirname, '..')
const CHAPTERS = ['1-single-process', '2-multi-process', '3-multi-thread', '4-thread-pool']

type Language = 'en' | 'zh'

function title(language: Language, page: string): string {
  const text = readFileSync(join(DOCS, language, `${page}.md`), 'utf8')
  return /^# (.+)$/m.exec(text)![1].replace(/`/g, '')
}

function entry(language: Language, page: string): DefaultTheme.SidebarItem {
  return { text: title(language, page), link: `${language === 'zh' ? '/zh' : ''}/${page}` }
}

/** A chapter with its headings below it, folded unless it is open. */
function chapter(language: Language, page: string): DefaultTheme.SidebarItem {
  const own = entry(language, page)
  const text = readFileSync(join(DOCS, language, `${page}.md`), 'utf8').replace(/^### .+$/gm, '')
  const items = headings(text).map((heading) => ({ text: heading, link: `${own.link}#${slug(heading)}` }))
  return { ...own, items, collapsed: true }
}

function sidebar(language: Language, names: Record<string, string>): DefaultTheme.SidebarItem[] {
  const section = (name: string, pages: string[]) => ({
    text: names[name], items: pages.map((page) => entry(language, page)),
  })
  return [
    { text: names.lessons, items: [...CHAPTERS.map((page) => chapter(language, page)), entry(language, 'models'), entry(language, 'errata'), entry(language, 'glossary')] },
    section('students', ['students/set-up', 'students/commands', 'students/report', 'students/faq']),
    section('instructors', ['instructors/class', 'instructors/course', 'instructors/platforms', 'instructors/trust']),
  ]
}

export const english: LocaleSpecificConfig<DefaultTheme.Config> & { label: string } = {
  label: 'English',
  lang: 'en',
  themeConfig: {
    nav: [
      { text: 'Lessons', link: '/1-single-process', activeMatch: '^/(\\d-|models|errata|glossary)' },
      { text: 'For students', link: '/students/set-up', activeMatch: '^/students/' },
      { text: 'For instructors', link: '/instructors/class', activeMatch: '^/instructors/' },
    ],
    sidebar: sidebar('en', { lessons: 'Lessons', students: 'For students', instructors: 'For instructors' }),
    outline: { level: [2, 3] },
    skipToContentLabel: 'Skip to content',
  },
}

export const chinese: LocaleSpecificConfig<DefaultTheme.Config> & { label: string } = {
  label: '简体中文',
  lang: 'zh-CN',
  description: '逐行读懂 Linux 上的阻塞式网络服务器',
  themeConfig: {
    nav: [
      { text: '课程', link: '/zh/1-single-process', activeMatch: '^/zh/(\\d-|models|errata|glossary)' },
      { text: '学生', link: '/zh/students/set-up', activeMatch: '^/zh/students/' },
      { text: '教师', link: '/zh/instructors/class', activeMatch: '^/zh/instructors/' },
    ],
    sidebar: sidebar('zh', { lessons: '课程', students: '学生', instructors: '教师' }),
    outline: { level: [2, 3], label: '本页目录' },
    docFooter: { prev: '上一页', next: '下一页' },
    darkModeSwitchLabel: '明暗',
    lightModeSwitchTitle: '切换到浅色',
    darkModeSwitchTitle: '切换到深色',
    sidebarMenuLabel: '目录',
    returnToTopLabel: '回到顶部',
    langMenuLabel: '切换语言',
    skipToContentLabel: '跳到正文',
    notFound: {
      title: '没有这一页',
      quote: '地址也许写错了，也许这一页已经搬走。',
      linkLabel: '回到首页',
      linkText: '回到首页',
    },
  },
}

export const searchTexts = {
  button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
  modal: {
    displayDetails: '显示详细内容',
    resetButtonTitle: '清空',
    backButtonTitle: '关闭',
    noResultsText: '没有找到',
    footer: {
      selectText: '打开', selectKeyAriaLabel: '回车',
      navigateText: '选择', navigateUpKeyAriaLabel: '向上', navigateDownKeyAriaLabel: '向下',
      closeText: '关闭', closeKeyAriaLabel: 'Esc',
    },
  },
}
