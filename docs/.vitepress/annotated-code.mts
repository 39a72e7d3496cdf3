// A chapter's Markdown links to a region of a source file and follows that link with a numbered list, as GitHub shows
// it. Here the link becomes the code, taken from the file, and each list item a note at its line: an item begins with a
// piece of that line, in backquotes. harness/echolab/annotations.py reads the same form for the tests.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'

const TOP = resolve(import.meta.dirname ?? __dirname, '..', '..')
const LINK = /^(.+\.cpp)#(step-\d+)$/

interface Region {
  code: string
  firstLine: number
}

function region(path: string, name: string): Region {
  const lines = readFileSync(path, 'utf8').split('\n')
  const begin = lines.findIndex((line) => line.trim() === `// #region ${name}`)
  const end = lines.findIndex((line) => line.trim() === `// #endregion ${name}`)
  if (begin < 0 || end < begin) throw new Error(`${path} has no region ${name}`)
  return { code: lines.slice(begin + 1, end).join('\n').trimEnd() + '\n', firstLine: begin + 2 }
}

/** The lines, counted from 0, at which the notes stand: each below the one before. */
function placesOf(notes: string[], code: string, where: string): number[] {
  const lines = code.split('\n')
  let from = 0
  return notes.map((note) => {
    const found = lines.findIndex((line, number) => number >= from && line.includes(note))
    if (found < 0) throw new Error(`${where}: no line from ${from + 1} on contains: ${note}`)
    from = found + 1
    return found
  })
}

export function annotatedCode(md: MarkdownIt): void {
  md.core.ruler.push('annotated_code', (state) => {
    const page: string = state.env.realPath ?? state.env.path ?? ''
    const tokens = state.tokens
    for (let at = 0; at + 2 < tokens.length; at++) {
      const children = tokens[at + 1].children ?? []
      if (tokens[at].type !== 'paragraph_open' || children[0]?.type !== 'link_open') continue
      if (children.filter((child) => child.type === 'link_open').length !== 1) continue
      if (children[children.length - 1].type !== 'link_close') continue
      const [, file, name] = LINK.exec(children[0].attrGet('href') ?? '') ?? []
      if (!file || !page) continue
      const path = resolve(dirname(page), file)
      if (!existsSync(path)) throw new Error(`${page}: ${path} does not exist`)
      const { code, firstLine } = region(path, name)
      state.env.includes?.push(path)

      const list = at + 3
      const notes: string[] = []
      let end = list - 1
      if (tokens[list]?.type === 'ordered_list_open') {
        end = tokens.findIndex((token, n) => n > list && token.type === 'ordered_list_close' && token.level === tokens[list].level)
        for (let n = list; n < end; n++) {
          if (tokens[n].type !== 'list_item_open' || tokens[n].level !== tokens[list].level + 1) continue
          const first = tokens.slice(n, end).find((token) => token.type === 'inline')?.children?.[0]
          if (first?.type !== 'code_inline') throw new Error(`${page}: a note on ${name} names no code`)
          notes.push(first.content)
          const id = `${name}-note-${notes.length}`
          tokens[n].attrSet('id', id)
          tokens[n].attrSet('data-line', String(notes.length))
        }
        tokens[list].attrSet('class', 'notes')
      }
      const places = placesOf(notes, code, `${page}: ${name}`)

      const block = new state.Token('annotated_code', 'figure', 0)
      block.content = code
      block.meta = { name, firstLine, places, title: relative(TOP, path) }
      const close = new state.Token('html_block', '', 0)
      close.content = '</figure>\n'
      tokens.splice(at, end + 1 - at, block, ...tokens.slice(list, end + 1), close)
    }
  })

  md.renderer.rules.annotated_code = (tokens, index, options, env, self) => {
    const { name, firstLine, places, title } = tokens[index].meta
    const fence = Object.assign(Object.create(Object.getPrototypeOf(tokens[index])), tokens[index], {
      type: 'fence', tag: 'code', info: 'cpp', meta: null, attrs: null,
    })
    const rendered = md.renderer.rules.fence!([fence], 0, options, env, self)
    const start = rendered.indexOf('<span class="line">')
    const stop = rendered.indexOf('</code>')
    const lines = rendered.slice(start, stop).split('\n')
    places.forEach((place: number, note: number) => {
      const id = `${name}-line-${note + 1}`
      const mark = `<a class="mark vp-copy-ignore" id="${id}" href="#${name}-note-${note + 1}" data-note="${note + 1}">${note + 1}</a>`
      lines[place] = lines[place].replace(/<\/span>$/, `${mark}</span>`)
    })
    const kind = places.length ? 'annotated' : 'annotated plain'
    const last = firstLine + tokens[index].content.split('\n').length - 2
    return `<figure class="${kind}" data-region="${name}"><figcaption><code>${title}</code> <span>${firstLine}–${last}</span></figcaption>
<div class="code">${rendered.slice(0, start)}${lines.join('\n')}${rendered.slice(stop)}</div>\n`
  }
}
