import { callout, layout } from './layout.ts'
import { type Markup, markup } from './markup.ts'
import { exact, moment, name } from './shown.ts'

/** What a person is asked to agree to. */
export interface ConsentView {
  readonly project: string
  readonly environment: string
  /** The connector's UID. */
  readonly connector: string
  /** The provider's name for people. */
  readonly service: string
  readonly kind: 'authorize' | 'install' | 'sign_in'
  /** For whom the project will use it: the account as the project knows it. */
  readonly onBehalfOf?: { readonly id: string; readonly issuer?: string }
  readonly scopes: readonly { readonly name: string; readonly title?: string }[]
  /** What the project is told about the person, as scopes of OpenID Connect. */
  readonly identity: readonly string[]
  /** Whom tokens are meant for, where the request says it. */
  readonly audience: readonly string[]
  readonly resources: readonly string[]
  readonly details: readonly string[]
  /** The provider's id of the tenant in which the app is installed. */
  readonly tenant?: string
  /** The provider's id of the installation to which access is limited. */
  readonly installation?: string
  /** What follows the provider: back to `returnHost`, a completion code, or nothing. */
  readonly next: 'return' | 'code' | 'close'
  readonly returnHost?: string
  /** True where agreeing is all it takes, and nobody checks that whoever began is whoever agrees. */
  readonly bindsOnConsent: boolean
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** Where the form goes, on the same origin. */
  readonly action: string
  /** Sent with the form as `token`. */
  readonly token: string
}

/**
 * The page on which a person sees who asks for what, and goes on or cancels.
 *
 * Its form posts `token` and `action`, which is `continue` or `cancel`.
 */
export function consentPage(view: ConsentView): string {
  const service = name(view.service)
  return layout({
    title: titleOf(view),
    content: markup`<h1>${headingOf(view)}</h1>
<p class="lead">Read this through before you go on. Nothing has been agreed to yet.</p>
<dl>
${row('Asked for by', markup`<strong>${name(view.project)}</strong>, in its ${name(view.environment)} environment`)}
${row('Service', markup`${service}, through the connector ${exact(view.connector)}`)}
${accountOf(view)}
${placeOf('Tenant', view.tenant)}
${placeOf('Installation', view.installation)}
</dl>
${toldOf(view)}
${askedFor(view)}
${listed('Meant for', view.audience)}
${listed('Only for', view.resources)}
${listed('In detail', view.details)}
<h2>What happens next</h2>
<ol>
<li>You will be sent to ${service} to ${deedOf(view.kind)} there.</li>
<li>Afterwards ${afterwards(view)}</li>
</ol>
${callout(
  'note',
  markup`<strong>Continue only if you began this yourself, in ${name(view.project)}.</strong>`,
  markup`If somebody sent you here, or you don’t know why you see this page, cancel.`,
)}
${warningOf(view)}
<form method="post" action="${view.action}">
<input type="hidden" name="token" value="${view.token}">
<div class="choices">
<button class="button primary" type="submit" name="action" value="continue"><span>Continue to ${service}</span></button>
<button class="button" type="submit" name="action" value="cancel"><span>Cancel</span></button>
</div>
</form>
<p class="small">You can answer until ${moment(view.expiresAt)}.</p>`,
  })
}

function titleOf({ kind, project, service }: ConsentView): string {
  switch (kind) {
    case 'authorize':
      return `Let ${project} use ${service}?`
    case 'install':
      return `Install an app in ${service} for ${project}?`
    case 'sign_in':
      return `Sign in to ${project} with ${service}`
  }
}

function headingOf({ kind, project, service }: ConsentView): Markup {
  switch (kind) {
    case 'authorize':
      return markup`Let ${name(project)} use ${name(service)}?`
    case 'install':
      return markup`Install an app in ${name(service)} for ${name(project)}?`
    case 'sign_in':
      return markup`Sign in to ${name(project)} with ${name(service)}`
  }
}

function deedOf(kind: ConsentView['kind']): string {
  switch (kind) {
    case 'authorize':
      return 'agree'
    case 'install':
      return 'install the app'
    case 'sign_in':
      return 'sign in'
  }
}

function accountOf({ onBehalfOf, project }: ConsentView): Markup | undefined {
  if (onBehalfOf === undefined) return undefined
  const { id, issuer } = onBehalfOf
  const by = issuer === undefined ? undefined : markup` <span class="raw">named by ${exact(issuer)}</span>`
  return row('On behalf of', markup`the account that ${name(project)} knows as ${exact(id)}${by}`)
}

function placeOf(term: string, id: string | undefined): Markup | undefined {
  return id === undefined ? undefined : row(term, markup`${exact(id)}`)
}

const claimWords: Readonly<Record<string, string>> = {
  openid: 'That you are the same person as the last time',
  profile: 'Your name and picture',
  email: 'Your email address',
}

/** Signing in gives this to the app itself, beside what it may do at the service. */
function toldOf({ identity, project, service }: ConsentView): Markup | undefined {
  if (identity.length === 0) return undefined
  const items = identity.map((scope) => markup`<li>${claimWords[scope] ?? exact(scope)}</li>`)
  return markup`<h2>What ${name(project)} is told about you</h2><ul class="asked">${items}</ul>
<p class="small">As far as ${name(service)} says it.</p>`
}

function askedFor({ scopes, service }: ConsentView): Markup {
  const heading = markup`<h2>What it may do</h2>`
  if (scopes.length === 0) {
    return markup`${heading}<p>No permissions are named here. ${name(service)} will show you what it hands out.</p>`
  }
  const items = scopes.map(({ name: scope, title }) =>
    title === undefined
      ? markup`<li>${exact(scope)}</li>`
      : markup`<li>${name(title)} <span class="raw">${exact(scope)}</span></li>`,
  )
  return markup`${heading}<ul class="asked">${items}</ul>`
}

function listed(heading: string, texts: readonly string[]): Markup | undefined {
  if (texts.length === 0) return undefined
  return markup`<h2>${heading}</h2><ul>${texts.map((text) => markup`<li>${exact(text)}</li>`)}</ul>`
}

function afterwards({ next, returnHost }: ConsentView): Markup {
  switch (next) {
    case 'return':
      return returnHost === undefined
        ? markup`you will be sent back to where you began.`
        : markup`you will be sent back to ${exact(returnHost)}.`
    case 'code':
      return markup`you will get a short code to type back where you began.`
    case 'close':
      return markup`you may close the window.`
  }
}

function warningOf(view: ConsentView): Markup | undefined {
  if (!view.bindsOnConsent) return undefined
  const whose = view.onBehalfOf === undefined ? 'whoever began this' : 'the account named above'
  return callout(
    'grave',
    markup`<strong>Agreeing gives ${name(view.project)} access at once, for ${whose}.</strong>`,
    markup`Nobody asks again whether that is you. If it is not, cancel.`,
  )
}

function row(term: string, description: Markup): Markup {
  return markup`<div><dt>${term}</dt><dd>${description}</dd></div>`
}
