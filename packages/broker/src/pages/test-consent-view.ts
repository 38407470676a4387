import type { ConsentView } from './consent-page.ts'

/** A request to agree to, with everything a page can show. */
export const consentView: ConsentView = {
  project: 'support-agent',
  environment: 'production',
  connector: 'github/support',
  service: 'GitHub',
  kind: 'authorize',
  onBehalfOf: { id: 'user_42', issuer: 'https://app.example.com' },
  scopes: [{ name: 'repo', title: 'Read and change code in your repositories' }, { name: 'workflow' }],
  identity: [],
  audience: ['https://api.example.com'],
  resources: ['acme/website'],
  details: ['contents: read'],
  tenant: 'tenant-7',
  installation: 'installation-8',
  next: 'return',
  returnHost: 'app.example.com',
  bindsOnConsent: false,
  expiresAt: Date.UTC(2026, 10, 21, 9, 5),
  action: '/consent/request-1',
  token: 'form-token',
}

/** What people see of a page: its text, without tags, with the characters that were escaped. */
export function textOf(page: string): string {
  return page
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&(lt|gt|amp|quot|#39);/g, (_, entity: string) => entities[entity] ?? '')
    .replace(/\s+/g, ' ')
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" }
