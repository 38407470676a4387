import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { onlyEnvironment, unsignedJwt } from '../testing/environment.ts'
import { createFakeFetch, type Finished, runCommand, temporaryFolder } from '../testing/shell.ts'

const url = 'https://keys.example.com'
const pulled = unsignedJwt({ iss: `${url}/development`, sub: 'project:prj_1', aud: url })
const step = unsignedJwt({ iss: 'https://bitbucket.example', sub: 'step', aud: url })

interface Document {
  readonly error?: { readonly code: string }
  readonly operator: { readonly error?: { readonly code: string } }
  readonly identity: {
    readonly found: boolean
    readonly source?: string
    readonly code?: string
    readonly notice?: string
    readonly sources: readonly { readonly name: string; readonly outcome: string }[]
  }
}

async function whoami(
  variables: Readonly<Record<string, string>>,
  file?: { readonly url?: string; readonly mode?: number },
): Promise<{ human: Finished; json: Finished; document: Document; outcomes: Record<string, string> }> {
  const environment = onlyEnvironment(variables)
  const folder = temporaryFolder()
  if (file !== undefined)
    writeFileSync(
      join(folder, '.env.local'),
      `VALETKEY_URL=${file.url ?? url}\nVALETKEY_ID_TOKEN=${pulled}\n`,
      { mode: file.mode ?? 0o600 },
    )
  const { fetch, requests } = createFakeFetch({
    'GET /v1/access-tokens/self': { id: 'vat_1', role: 'owner' },
  })
  const human = await runCommand(['whoami'], { environment, folder, fetch })
  const json = await runCommand(['whoami', '--json'], { environment, folder, fetch })
  expect(json.code).toBe(human.code)
  expect(human.stdout + human.stderr + json.stdout + json.stderr).not.toMatch(/e30\./)
  expect(requests.every(({ authorization }) => authorization === 'Bearer vk_operator')).toBe(true)
  const document = JSON.parse(json.stdout) as Document
  const outcomes = Object.fromEntries(
    (document.identity?.sources ?? []).map(({ name, outcome }) => [name, outcome]),
  )
  return { human, json, document, outcomes }
}

describe('whoami where no broker is named', () => {
  it('says where the SDK would look, what the operator lacks, and exits 1', async () => {
    const { human, document, outcomes } = await whoami({})
    expect(human.code).toBe(1)
    expect(human.stdout).toContain('Operator: unknown. No broker was found')
    expect(human.stdout).toContain('Where the SDK would look, once a broker is named, in this order:')
    expect(human.stdout).toMatch(/id-token +declined +VALETKEY_ID_TOKEN is not set/)
    expect(human.stderr).toContain('valetkey dev')
    expect(document).toMatchObject({
      error: { code: 'issuing_point_missing' },
      operator: { error: { code: 'issuing_point_missing' } },
      identity: { found: false, code: 'issuing_point_missing' },
    })
    expect(outcomes).toMatchObject({ 'github-actions': 'declined', vercel: 'declined' })
  })

  it('finds the identity that the SDK gives to Vercel Connect, on Vercel', async () => {
    const token = unsignedJwt({
      iss: 'https://oidc.vercel.com/acme',
      sub: 'owner:acme',
      aud: 'https://vercel.com/acme',
    })
    const { human, document, outcomes } = await whoami({ VERCEL: '1', VERCEL_OIDC_TOKEN: token })
    expect(human.code).toBe(0)
    expect(human.stdout).toContain('Operator: unknown. No broker was found')
    expect(human.stdout).toContain('Identity: owner:acme of https://oidc.vercel.com/acme')
    expect(document).toMatchObject({
      operator: { error: { code: 'issuing_point_missing' } },
      identity: { found: true, source: 'vercel' },
    })
    expect(document).not.toHaveProperty('error')
    expect(outcomes).toMatchObject({ 'github-actions': 'declined', vercel: 'used' })
  })

  it('gives the one reason where VALETKEY_URL is none', async () => {
    const { human, json } = await whoami({ VALETKEY_URL: 'keys' })
    expect(human).toMatchObject({ code: 1, stdout: '' })
    expect(human.stderr).toContain('VALETKEY_URL is not a URL')
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'issuing_point_missing' } })
  })
})

describe('whoami beside a .env.local', () => {
  it('shows its identity where no source matches, that the app has to load it, and what the sources saw', async () => {
    const { human, document, outcomes } = await whoami({}, {})
    expect(human.code).toBe(0)
    expect(human.stdout).toContain('from .env.local, which the app has to load: node --env-file=.env.local …')
    expect(human.stdout).toMatch(/id-token +declined +VALETKEY_ID_TOKEN is not set/)
    expect(document.identity).toMatchObject({ found: true, source: '.env.local' })
    expect(outcomes).toMatchObject({ 'id-token': 'declined', 'github-actions': 'declined' })
  })

  it('passes it over where the platform has an identity of its own', async () => {
    const variables = { BITBUCKET_BUILD_NUMBER: '1', BITBUCKET_STEP_OIDC_TOKEN: step }
    const { human, document, outcomes } = await whoami(variables, {})
    expect(human.code).toBe(0)
    expect(human.stdout).toContain('Identity: step of https://bitbucket.example')
    expect(human.stderr).toContain('.env.local is passed over')
    expect(document.identity).toMatchObject({ found: true, source: 'bitbucket' })
    expect(document.identity.notice).toContain("the platform's own identity (bitbucket) decides")
    expect(outcomes).toMatchObject({ bitbucket: 'used' })
  })

  it('passes it over where the platform matches and is broken: the SDK asks no other', async () => {
    const { human, document } = await whoami({ GITHUB_ACTIONS: 'true' }, {})
    expect(human.code).toBe(1)
    expect(human.stderr).toContain('.env.local is passed over')
    expect(document.identity).toMatchObject({ found: false, source: 'github-actions' })
  })

  it('does not look at it where the environment names a broker', async () => {
    const { document } = await whoami(
      { VALETKEY_URL: url, VALETKEY_ID_TOKEN: step },
      { url: 'https://evil.example' },
    )
    expect(document.identity).toMatchObject({ found: true, source: 'id-token', claims: { sub: 'step' } })
    expect(document.identity).not.toHaveProperty('notice')
  })

  it.each([
    ['others could have written it', { mode: 0o644 }, '.env.local was not used because'],
    ['its URL is none', { url: 'http://keys.example.com' }, 'VALETKEY_URL in .env.local must use https'],
  ])('S37 says that it was not used where %s', async (_why, file, message) => {
    const { human, document } = await whoami({}, file)
    expect(human.code).toBe(1)
    expect(human.stderr).toContain(message)
    expect(document.identity).toMatchObject({ found: false, code: 'issuing_point_missing' })
    expect(document.identity.notice).toContain(message)
  })
})

describe('whoami about a credential without claims', () => {
  it.each([
    [{ VALETKEY_ID_TOKEN: 'abc' }, 'Identity: a credential that is no JWT, from id-token'],
    [{ VALETKEY_ACCESS_TOKEN: 'vk_operator' }, 'Identity: an access token, from access-token'],
  ])('says what is known of it: %j', async (variables, text) => {
    const { human } = await whoami({ VALETKEY_URL: url, ...variables })
    expect(human.stdout).toContain(text)
  })
})
