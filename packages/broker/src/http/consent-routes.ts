import type { Hono } from 'hono'
import { type BrowserAnswer, failed, requestOver } from '../consent/browser-answer.ts'
import {
  type Browser,
  browserOf,
  browserSecret,
  formToken,
  isFormToken,
  isSameOrigin,
} from '../consent/browser-cookie.ts'
import { answerCallback } from '../consent/callback.ts'
import { consentView } from '../consent/consent-view.ts'
import { asSeenBy, cancel, findOpenRequest, leave } from '../consent/leave.ts'
import { showOutcome } from '../consent/outcome.ts'
import { hashTypedCode } from '../consent/secrets.ts'
import { sha256 } from '../digest.ts'
import { consentPage, devicePage, donePage, failedPage, leavingPage, pageHeaders } from '../pages/index.ts'
import { takeDeviceCode } from '../store/consent-requests.ts'
import { clientAddress } from './client-address.ts'
import { describeDefect, isPassing } from './defects.ts'
import { type Environment, type Exchange, pathParameter } from './exchange.ts'

/** What a person's browser opens. Only here a cookie is set or read. */
export function addConsentRoutes(app: Hono<Environment>): void {
  app.get('/consent/:request', page(showRequest))
  app.post('/consent/:request', page(answerRequest))
  app.get('/consent/:request/done', page(showDone))
  app.get(
    '/device',
    page(async (exchange) => showDevice(exchange, 200)),
  )
  app.post('/device', page(enterDevice))
  app.get('/v1/connect/callback/:connectorId', page(receiveCallback))
}

async function showRequest(exchange: Exchange): Promise<Response> {
  const context = exchange.get('broker')
  const elsewhere = toPublicUrl(exchange)
  if (elsewhere !== undefined) return elsewhere
  const open = await findOpenRequest(context, pathParameter(exchange, 'request'))
  if (open === undefined) return sendAnswer(exchange, requestOver)
  const browser = browserOf(context.publicUrl, exchange.req.header('cookie'))
  const action = `${basePath(context.publicUrl)}/consent/${open.row.id}`
  const token = formToken(browser.secret, open.row.id)
  return sendPage(
    exchange,
    consentPage(consentView(asSeenBy(open, browser.secret), { action, token })),
    200,
    browser,
  )
}

async function answerRequest(exchange: Exchange): Promise<Response> {
  const context = exchange.get('broker')
  const id = pathParameter(exchange, 'request')
  const form = await readForm(exchange, id)
  if (form === undefined) return sendAnswer(exchange, notOurForm)
  const action = form.fields.get('action')
  if (action !== 'continue' && action !== 'cancel') return sendAnswer(exchange, notOurForm)
  const open = await findOpenRequest(context, id)
  if (open === undefined) return sendAnswer(exchange, requestOver)
  const requestId = exchange.get('requestId')
  const seen = asSeenBy(open, form.secret)
  return sendAnswer(
    exchange,
    action === 'continue'
      ? await leave(context, seen, { secret: form.secret, requestId })
      : await cancel(context, seen, requestId),
  )
}

async function showDone(exchange: Exchange): Promise<Response> {
  const context = exchange.get('broker')
  const answer = await showOutcome(context, {
    request: pathParameter(exchange, 'request'),
    browser: browserSecret(context.publicUrl, exchange.req.header('cookie')),
  })
  return sendAnswer(exchange, answer)
}

function showDevice(exchange: Exchange, status: 200 | 400 | 429, fault?: 'unknown' | 'limited'): Response {
  const { publicUrl } = exchange.get('broker')
  const elsewhere = exchange.req.method === 'GET' ? toPublicUrl(exchange) : undefined
  if (elsewhere !== undefined) return elsewhere
  const browser = browserOf(publicUrl, exchange.req.header('cookie'))
  const view = {
    action: `${basePath(publicUrl)}/device`,
    token: formToken(browser.secret, 'device'),
    ...(fault === undefined ? {} : { fault }),
  }
  return sendPage(exchange, devicePage(view), status, browser)
}

async function enterDevice(exchange: Exchange): Promise<Response> {
  const context = exchange.get('broker')
  const form = await readForm(exchange, 'device')
  if (form === undefined) return sendAnswer(exchange, notOurForm)
  const limited = await context.limits.deviceEntry(clientAddress(exchange))
  if (!limited.ok) {
    exchange.header('retry-after', String(limited.refusal.retryAfterSeconds))
    return showDevice(exchange, 429, 'limited')
  }
  const id = await takeDeviceCode(context.db, {
    codeHash: hashTypedCode(form.fields.get('code') ?? ''),
    browserHash: sha256(form.secret),
    now: context.now(),
  })
  if (id === undefined) {
    await context.limits.wrongDeviceEntry()
    return showDevice(exchange, 400, 'unknown')
  }
  // The same page as from the link: who asks for what, and a click.
  return exchange.body(null, 303, {
    ...pageHeaders(),
    location: `${basePath(context.publicUrl)}/consent/${id}`,
  })
}

async function receiveCallback(exchange: Exchange): Promise<Response> {
  const context = exchange.get('broker')
  const answer = await answerCallback(context, {
    requestId: exchange.get('requestId'),
    connectorId: pathParameter(exchange, 'connectorId'),
    search: new URL(exchange.req.url).search,
    browser: browserSecret(context.publicUrl, exchange.req.header('cookie')),
  })
  // No form leads here: the browser may be sent on at once.
  return answer.show === 'away' ? redirect(exchange, answer.url) : sendAnswer(exchange, answer)
}

const notOurForm = failed(
  403,
  'This page is too old',
  'It was not opened in this browser, or its cookie is gone. Nothing was agreed to.',
)

/** The fields of a form of ours; undefined when another page sent it, or it was made for something else. */
async function readForm(
  exchange: Exchange,
  purpose: string,
): Promise<{ readonly fields: URLSearchParams; readonly secret: string } | undefined> {
  const { publicUrl } = exchange.get('broker')
  const { req } = exchange
  const headers = { origin: req.header('origin'), site: req.header('sec-fetch-site') }
  if (!isSameOrigin(publicUrl, headers)) return undefined
  const type = req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') return undefined
  const secret = browserSecret(publicUrl, req.header('cookie'))
  const fields = new URLSearchParams(await req.text())
  const token = fields.get('token')
  if (secret === undefined || token === null || !isFormToken(token, secret, purpose)) return undefined
  return { fields, secret }
}

/** Without a referrer: the URL of this request may hold a provider's code. */
function redirect(exchange: Exchange, location: string): Response {
  return exchange.body(null, 303, { ...pageHeaders(), 'referrer-policy': 'no-referrer', location })
}

function sendAnswer(exchange: Exchange, answer: BrowserAnswer): Response {
  switch (answer.show) {
    case 'outcome':
      return redirect(
        exchange,
        `${basePath(exchange.get('broker').publicUrl)}/consent/${answer.request}/done`,
      )
    case 'away':
      return sendPage(exchange, leavingPage(answer), 200)
    case 'done':
      return sendPage(exchange, donePage(answer), 200)
    case 'failed': {
      const { title, message, status, final } = answer
      const view = { title, message, requestId: exchange.get('requestId'), startAgain: final !== true }
      return sendPage(exchange, failedPage(view), status)
    }
  }
}

function sendPage(exchange: Exchange, html: string, status: number, browser?: Browser): Response {
  const headers = pageHeaders(browser?.cookie === undefined ? {} : { cookie: browser.cookie })
  return exchange.body(html, status as 200, headers)
}

/** A person gets a page even where the broker itself fails. */
function page(handle: (exchange: Exchange) => Promise<Response>): (exchange: Exchange) => Promise<Response> {
  return async (exchange) => {
    try {
      return await handle(exchange)
    } catch (error) {
      const passing = isPassing(error)
      exchange.get('broker').log(passing ? 'warn' : 'error', passing ? 'a dependency is away' : 'defect', {
        requestId: exchange.get('requestId'),
        ...describeDefect(error),
      })
      return sendAnswer(
        exchange,
        failed(
          503,
          'This did not work',
          'The service could not go on at this moment. Try again in a moment.',
        ),
      )
    }
  }
}

/** A development broker answers to several names; the cookie must be that of the one to which the provider returns. */
function toPublicUrl(exchange: Exchange): Response | undefined {
  const { publicUrl, development } = exchange.get('broker')
  const url = new URL(exchange.req.url)
  if (!development || url.host === new URL(publicUrl).host) return undefined
  return exchange.body(null, 302, {
    ...pageHeaders(),
    location: `${new URL(publicUrl).origin}${url.pathname}`,
  })
}

/** The path of the public URL, without a slash at its end. */
function basePath(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/+$/, '')
}
