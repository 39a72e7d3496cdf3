// Words for the search: runs of letters and digits, and of Chinese text every two neighbours, since nothing stands
// between its words. VitePress ships this function to the browser as text, so it may use nothing from outside.
export function tokenize(text: string): string[] {
  const words: string[] = []
  for (const [run] of text.toLowerCase().matchAll(/\p{Script=Han}+|[\p{L}\p{N}_]+/gu)) {
    const parts = run.match(/\p{Script=Han}+|[^\p{Script=Han}]+/gu) ?? []
    for (const part of parts) {
      if (!/\p{Script=Han}/u.test(part) || part.length === 1) words.push(part)
      else for (let at = 0; at + 1 < part.length; at++) words.push(part.slice(at, at + 2))
    }
  }
  return words
}
