// Headings have the ids that GitHub gives them, so that one link works in both places; and, as a second id, that of the
// same heading in the other language, so that switching the language stays at the place.
import { existsSync, readFileSync } from 'node:fs'
import type MarkdownIt from 'markdown-it'

export function slug(title: string): string {
  return title.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')
}

/** The titles of a page's headings of level two and deeper, as plain text. */
export function headings(markdown: string): string[] {
  const text = markdown.replace(/^(```|~~~)[^]*?^\1/gm, '')
  return [...text.matchAll(/^##+ (.+)$/gm)].map(([, title]) => title.replace(/[`*]/g, ''))
}

function counterpart(page: string): string {
  return page.replace(/\/docs\/(en|zh)\//, (_, language) => `/docs/${language === 'en' ? 'zh' : 'en'}/`)
}

export function headingIds(md: MarkdownIt): void {
  md.core.ruler.push('heading_ids', (state) => {
    const page: string = state.env.realPath ?? state.env.path ?? ''
    const other = counterpart(page)
    const titles = other !== page && existsSync(other) ? headings(readFileSync(other, 'utf8')) : []
    let position = 0
    state.tokens.forEach((token, index) => {
      if (token.type !== 'heading_open') return
      const inline = state.tokens[index + 1]
      const title = (inline.children ?? []).map((child) => child.content).join('')
      const id = slug(title)
      const top = token.tag === 'h1'
      const alias = !top && titles[position] ? slug(titles[position]) : id
      if (!top) position += 1
      token.attrSet('id', id)
      token.attrSet('tabindex', '-1')
      const anchor = new state.Token('html_inline', '', 0)
      anchor.content =
        (alias === id ? '' : `<span class="alias" id="${alias}"></span>`) +
        `<a class="header-anchor" href="#${id}" aria-label="${md.utils.escapeHtml(title)}">&#8203;</a>`
      inline.children?.push(anchor)
    })
  })
}
