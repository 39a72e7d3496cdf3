// An SVG of docs/figures stands in the page itself, so that it has the page's colours, light or dark.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'

export function inlineFigures(md: MarkdownIt): void {
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
    const svg = readFileSync(path, 'utf8').replace(/^[^]*?<svg/, `<svg v-pre role="img" aria-label="${label}"`)
    return `<span class="timeline" tabindex="0" role="group" aria-label="${label}">${svg}</span>`
  }
}
