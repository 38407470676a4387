import type { BrokerContext } from '../context.ts'
import { readConsentRequest, readParties } from '../store/consent-requests.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { expired } from './answer-request.ts'
import { type BrowserAnswer, failed, failurePage, requestOver } from './browser-answer.ts'
import { providerTitle } from './provider-title.ts'
import { hashTypedCode, matchesHash, typedCodeOf } from './secrets.ts'
import { nextStep, statusAt } from './state.ts'

/**
 * `GET /consent/{request}/done`: what came of a request, for the browser that was sent to the provider, as often as it
 * asks. To every other one the request is over, or never was.
 */
export async function showOutcome(
  context: BrokerContext,
  of: { readonly request: string; readonly browser: string | undefined },
): Promise<BrowserAnswer> {
  const row = await readConsentRequest(context.db, of.request)
  const browser = of.browser ?? ''
  if (row === undefined || !matchesHash(browser, row.browser_hash)) return requestOver
  const status = statusAt(row, context.now())
  switch (status) {
    case 'pending':
      return (await readParties(context.db, row)).attached ? nothingYet : requestOver
    case 'consented':
    case 'active':
      return done(context, row, status === 'consented' ? codeFor(row, browser) : undefined)
    case 'denied':
    case 'error':
      return failurePage({
        code: row.error_code ?? '',
        message: row.error_message ?? 'The request came to nothing',
      })
    case 'expired':
      return failed(404, requestOver.title, `${row.error_message ?? expired.message}.`)
  }
}

const nothingYet: BrowserAnswer = {
  ...failed(
    400,
    'Nothing has arrived yet',
    'Reload this page in a moment. If nothing comes, open the link where you began again, in this browser.',
  ),
  final: true,
}

async function done(
  context: BrokerContext,
  row: ConsentRequestRow,
  completion: { readonly code: string; readonly expiresAt: number } | undefined,
): Promise<BrowserAnswer> {
  const { connector } = await readParties(context.db, row)
  const driver = connector && context.findDriver(connector.service)
  const service =
    driver !== undefined && connector !== undefined ? providerTitle(driver, connector) : 'the service'
  return { show: 'done', service, kind: row.kind, ...completion }
}

/** The code to be typed back, while it counts. */
function codeFor(row: ConsentRequestRow, browser: string) {
  const code = typedCodeOf(browser, row.id)
  if (nextStep(row) !== 'code' || hashTypedCode(code) !== row.code_hash) return undefined
  return { code, expiresAt: row.code_expires_at ?? row.expires_at }
}
