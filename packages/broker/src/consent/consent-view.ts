import type { AuthorizationDetail } from '@valetkey/protocol'
import canonicalize from 'canonicalize'
import type { ConsentView } from '../pages/index.ts'
import type { OpenRequest } from './leave.ts'
import { providerTitle } from './provider-title.ts'
import { nextStep } from './state.ts'

/** What a person is shown before anything is asked of the provider. */
export function consentView(
  { row, connector, driver, consent, projectName }: OpenRequest,
  form: { readonly action: string; readonly token: string },
): ConsentView {
  const backTo = row.kind === 'sign_in' ? row.gateway?.redirectUri : (row.return_url ?? undefined)
  const next = nextStep(row)
  return {
    project: projectName,
    environment: row.environment,
    connector: connector.uid,
    service: providerTitle(driver, connector),
    kind: row.kind,
    ...(row.user_id === ''
      ? {}
      : { onBehalfOf: { id: row.user_id, ...(row.issuer === '' ? {} : { issuer: row.issuer }) } }),
    scopes: row.ask.scopes.map((name) => {
      const titles = consent.scopeTitlesOf?.(connector.configuration) ?? consent.scopeTitles ?? {}
      const title = Object.hasOwn(titles, name) ? titles[name] : undefined
      return title === undefined ? { name } : { name, title }
    }),
    identity: row.kind === 'sign_in' ? (row.gateway?.scopes ?? []) : [],
    audience: row.ask.audience,
    resources: row.ask.resources,
    details: row.ask.authorizationDetails.map(describeDetail),
    ...(row.ask.tenantId === undefined ? {} : { tenant: row.ask.tenantId }),
    ...(row.ask.installationId === undefined ? {} : { installation: row.ask.installationId }),
    next,
    ...(next === 'return' && backTo !== undefined ? { returnHost: new URL(backTo).host } : {}),
    bindsOnConsent: row.binding === 'consent',
    expiresAt: row.expires_at,
    ...form,
  }
}

function describeDetail({ type, ...rest }: AuthorizationDetail): string {
  return Object.keys(rest).length === 0 ? type : `${type}: ${canonicalize(rest) ?? ''}`
}
