// A line break in the source is a space in English. Between Chinese characters, or beside Chinese punctuation, it is nothing.
import type MarkdownIt from 'markdown-it'

const WIDE = /[\p{Script=Han}\u3000-\u303f\uff00-\uffef\u2018-\u201d]/u
const PUNCTUATION = /[\u3000-\u303f\uff00-\uffef\u2018-\u201d]/u

export function joinChineseLines(md: MarkdownIt): void {
  md.core.ruler.push('join_chinese_lines', (state) => {
    for (const { children } of state.tokens) {
      children?.forEach((child, index) => {
        if (child.type !== 'softbreak') return
        const shown = (tokens: typeof children) => tokens.find((token) => token.content)?.content ?? ''
        const before = shown(children.slice(0, index).reverse()).slice(-1)
        const after = shown(children.slice(index + 1)).slice(0, 1)
        const joined = (WIDE.test(before) && WIDE.test(after)) || PUNCTUATION.test(before) || PUNCTUATION.test(after)
        if (joined) Object.assign(child, { type: 'text', tag: '', content: '' })
      })
    }
  })
}
