import { callout, layout } from './layout.ts'
import { type Markup, markup } from './markup.ts'
import { moment, name, shown } from './shown.ts'

interface DoneView {
  readonly service: string
  readonly kind: 'authorize' | 'install' | 'sign_in'
  /** The completion code. */
  readonly code?: string
  /** When the code ends, in milliseconds since the epoch. */
  readonly expiresAt?: number
}

/**
 * The page after the provider, where nothing leads back to the app. With a `code` it shows it, to be typed back where
 * one began; it never says that anything may be used, because here nothing is settled yet.
 */
export function donePage(view: DoneView): string {
  const { code } = view
  if (code === undefined) {
    return layout({
      title: 'You may close this window',
      content: markup`<h1>You may close this window</h1>
<p>${deedOf(view)} Go back to where you began to see how it goes on.</p>`,
    })
  }
  const until =
    view.expiresAt === undefined ? undefined : markup` It can be used until ${moment(view.expiresAt)}.`
  return layout({
    title: 'One step left: type back this code',
    content: markup`<h1>One step left</h1>
<p class="lead">${deedOf(view)} To finish, type this code back where you began.</p>
<p class="code" translate="no" aria-hidden="true">${shown(code)}</p>
<p class="spoken">The code is: ${spelledOut(code)}.</p>
${callout(
  'grave',
  markup`<strong>Tell it to nobody else.</strong>`,
  markup`Whoever has it gets the access you just gave. If somebody else asks you for it, close this window.`,
)}
<p class="small">The code works once.${until} Then you may close this window.</p>`,
  })
}

function deedOf({ kind, service }: DoneView): Markup {
  switch (kind) {
    case 'authorize':
    case 'install':
      return markup`Your answer at ${name(service)} has arrived.`
    case 'sign_in':
      return markup`You are done at ${name(service)}.`
  }
}

/** Character by character: screen readers would pronounce a code as a word. */
function spelledOut(code: string): string {
  return [...shown(code)]
    .map((character) => (character === '-' ? 'hyphen' : character === ' ' ? 'space' : character))
    .join(', ')
}
