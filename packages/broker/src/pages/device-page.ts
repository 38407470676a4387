import { layout } from './layout.ts'
import { type Markup, markup } from './markup.ts'

type Fault = 'unknown' | 'limited'

/**
 * The page on which a person types in the code that was shown where they began.
 *
 * Its form posts `token` and `code`.
 */
export function devicePage(view: {
  readonly action: string
  readonly token: string
  readonly fault?: Fault
}): string {
  const { fault } = view
  // Only an unknown code makes the input wrong; whoever is limited may have typed the right one.
  const invalid = fault === 'unknown' ? markup` aria-invalid="true"` : undefined
  const describedBy = fault === undefined ? 'code-hint' : 'code-fault code-hint'
  return layout({
    title: fault === undefined ? 'Type in your code' : 'Error: type in your code',
    content: markup`<h1>Type in your code</h1>
<p class="lead">It connects this browser with what you began elsewhere. You will see who asks for what before anything is agreed to.</p>
<form method="post" action="${view.action}">
${faultOf(fault)}
<input type="hidden" name="token" value="${view.token}">
<label for="code">Code</label>
<p class="hint" id="code-hint">Eight letters, as they are shown where you began.</p>
<input id="code" name="code" type="text" required autofocus autocomplete="off" autocapitalize="characters" autocorrect="off" spellcheck="false" maxlength="40" pattern="[A-Za-z \\-]{8,40}" title="Letters and digits, as they are shown where you began" aria-describedby="${describedBy}"${invalid}>
<div class="choices"><button class="button primary" type="submit"><span>Continue</span></button></div>
</form>
<div class="note"><p><strong>Use only a code that you asked for yourself.</strong></p><p>If somebody sent you one, close this page: with it you would give them your access.</p></div>`,
  })
}

function faultOf(fault: Fault | undefined): Markup | undefined {
  if (fault === undefined) return undefined
  return markup`<div class="grave fault" role="alert" id="code-fault"><p>${wordsOf(fault)}</p></div>`
}

function wordsOf(fault: Fault): string {
  switch (fault) {
    case 'unknown':
      return 'That code is not known here. It may be mistyped, used already, or too old. Try again, or begin anew where it was shown.'
    case 'limited':
      return 'Too many codes were tried. Wait a few minutes, then try again.'
  }
}
