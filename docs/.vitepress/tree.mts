// Links from a page into the tree (a wrong server, a lesson's README): on GitHub they open the file; on the site each
// such file is a page of its own, made from the file when the site is built.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type MarkdownIt from 'markdown-it'

export const TOP = resolve(import.meta.dirname ?? __dirname, '..', '..')
const DOCS = join(TOP, 'docs')
const LINK = /\]\((\.{1,2}\/[^)#\s]+)(#[^)\s]*)?\)/g

/** The file below TOP that `href`, in the file `from`, leads to; nothing if it stays in docs/ or leads elsewhere. */
function target(from: string, href: string): string | undefined {
  if (/^[a-z]+:|^[#/]/.test(href)) return undefined
  const path = resolve(dirname(from), decodeURI(href.replace(/#.*/, '')))
  if (!path.startsWith(TOP) || path.startsWith(DOCS + '/')) return undefined
  if (!existsSync(path)) throw new Error(`${relative(TOP, from)}: ${href} leads to nothing`)
  return statSync(path).isFile() ? path : undefined
}

/** The address of a file's page, below its language. */
function address(path: string): string {
  return 'tree/' + relative(TOP, path).replace(/\.(\w+)$/, '-$1').replaceAll('.', '-')
}

export function linksIntoTheTree(md: MarkdownIt): void {
  md.core.ruler.before('annotated_code', 'links_into_the_tree', (state) => {
    const page: string = state.env.realPath ?? state.env.path ?? ''
    const own = /\/docs\/(en|zh)\//.exec(page)?.[1]
    if (!own) return
    for (const token of state.tokens) {
      for (const child of token.children ?? []) {
        const href = child.type === 'link_open' ? child.attrGet('href') ?? '' : ''
        if (!href || /\.cpp#step-\d+$/.test(href)) continue
        const path = target(page, href)
        if (path) child.attrSet('href', `${own === 'zh' ? '/zh' : ''}/${address(path)}.html`)
      }
    }
  })
}

/** The pages of all files that the language's pages link to, for [path].paths.mts. */
export function treePages(language: 'en' | 'zh'): { params: Record<string, string>; content: string }[] {
  const pages = readdirSync(join(DOCS, language), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('['))
    .map((name) => join(DOCS, language, name))
  const files = new Set<string>()
  for (const page of pages) {
    for (const [, href] of readFileSync(page, 'utf8').matchAll(LINK)) {
      const path = target(page, href)
      if (path) files.add(path)
    }
  }
  return [...files].sort().map((path) => ({
    params: { path: address(path).slice('tree/'.length), title: relative(TOP, path) },
    content: contentOf(path, files, language),
  }))
}

const LANGUAGES: Record<string, string> = { cpp: 'cpp', hpp: 'cpp', py: 'python', toml: 'toml', json: 'json', sh: 'sh' }

function contentOf(path: string, files: Set<string>, language: string): string {
  const text = readFileSync(path, 'utf8')
  const name = relative(TOP, path)
  if (path.endsWith('.md')) {
    // A README is shown as a page; of its links only those to files that have a page remain links.
    return text.replace(/\[([^\]]+)\]\(([^)]+)\)/g, (whole, label, href) => {
      const to = target(path, href)
      if (!to) return /^[a-z]+:/.test(href) ? whole : label
      return files.has(to) ? `[${label}](${language === 'zh' ? '/zh' : ''}/${address(to)}.html)` : label
    })
  }
  const fence = '`````'
  return `# \`${name}\`\n\n${fence}${LANGUAGES[name.split('.').pop() ?? ''] ?? 'text'}\n${text}\n${fence}\n`
}
