import { silentLog } from '../../log.ts'
import { parseCompactToken } from '../compact-token.ts'
import { createIssuerKeys } from '../issuer-keys.ts'
import { createFakeIssuer, type FakeIssuer } from './fake-issuer.ts'

/** An issuer, a key cache before it, and a clock to turn. */
export interface IssuerKeysFixture {
  readonly fake: FakeIssuer
  readonly clock: { now: number }
  /** Verifies a token's signature; gives `ok` or the refusal's reason and detail. */
  readonly verify: (token: string) => Promise<string>
  /** Signs a token with the first key. */
  readonly token: () => Promise<string>
}

export const fixtureIssuer = 'https://issuer.example/tenant'

/** Creates the fixture; the issuer has one ES256 key unless told otherwise. */
export async function createIssuerKeysFixture(
  options: { readonly issuer?: string; readonly algorithm?: string } = {},
): Promise<IssuerKeysFixture> {
  const fake = await createFakeIssuer(options.issuer ?? fixtureIssuer, options.algorithm)
  const clock = { now: 1_800_000_000_000 }
  const keys = createIssuerKeys({ fetch: fake.fetch, now: () => clock.now, log: silentLog })
  const verify = async (token: string) => {
    const parsed = parseCompactToken(token)
    if (!parsed.ok) return parsed.refusal.reason
    const outcome = await keys.verify(parsed.value, fake.issuer)
    if (outcome.ok) return 'ok'
    const detail = 'detail' in outcome.refusal ? `: ${outcome.refusal.detail}` : ''
    return `${outcome.refusal.reason}${detail}`
  }
  const token = () => fake.sign({ iss: fake.issuer })
  return { fake, clock, verify, token }
}
