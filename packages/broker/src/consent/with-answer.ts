/** An app's own URL with what it is told. Appended to the text as it came: a parser might write it in another way. */
export function withAnswer(url: string, answer: Readonly<Record<string, string>>): string {
  const separator = !url.includes('?') ? '?' : /[?&]$/.test(url) ? '' : '&'
  return `${url}${separator}${new URLSearchParams(answer)}`
}
