import { layout } from './layout.ts'
import { markup } from './markup.ts'
import { exact, name } from './shown.ts'

/** The page for what can't go on. `message` may hold a provider's words: it is escaped like everything else. */
export function failedPage(view: {
  readonly title: string
  readonly message: string
  readonly requestId: string
  /** Whether to say that one can start again. Default true. */
  readonly startAgain?: boolean
}): string {
  return layout({
    title: view.title,
    content: markup`<h1>${name(view.title)}</h1>
<p>${name(view.message)}</p>
${view.startAgain === false ? undefined : advice}
<p class="small">Request id: ${exact(view.requestId)}</p>`,
  })
}

const advice = markup`<h2>What you can do</h2>
<p>Go back to where you began and start again. If that fails too, tell whoever runs this service, and give them the request id.</p>`
