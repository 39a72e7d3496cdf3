// A timeline scrolls in a box of its own where it is wider than the page; in place of one that is not drawn stands how to.
// (Its colours follow the page's: a picture sees the color-scheme of the element that shows it.)
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'

export function timelines(md: MarkdownIt): void {
  const plain = md.renderer.rules.image!
  md.renderer.rules.image = (tokens, index, options, env, self) => {
    const source = tokens[index].attrGet('src') ?? ''
    const page: string = env.realPath ?? env.path ?? ''
    const path = resolve(dirname(page), source)
    if (!source.endsWith('.svg')) return plain(tokens, index, options, env, self)
    const label = md.utils.escapeHtml(tokens[index].content)
    if (!existsSync(path)) {
      const missing = page.includes('/zh/') ? '这幅图还没有画：运行' : 'This figure has not been drawn yet: run'
      return `<span class="missing">${label}<br>${missing} <code>harness/lab docs --figures</code></span>`
    }
    const image = plain(tokens, index, options, env, self).replace(/ alt="[^"]*"/, ` alt="${label}"`)
    return `<span class="timeline" tabindex="0" role="group" aria-label="${label}">${image}</span>`
  }
}
