// Whether a translated page is behind: it names, as `translates`, the Git blob of the page that it translates.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PageData, TransformPageContext } from 'vitepress'

/** What `git hash-object` says of a file. */
export function blob(path: string): string {
  const content = readFileSync(path)
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

export function translationState(page: PageData, { siteConfig }: TransformPageContext): void {
  if (!page.filePath.startsWith('zh/')) return
  const original = join(siteConfig.srcDir, 'en', page.filePath.slice('zh/'.length))
  const known = page.frontmatter.translates
  if (known && existsSync(original)) page.frontmatter.behind = !blob(original).startsWith(known)
}
