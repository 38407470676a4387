import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { onlyEnvironment, unsignedJwt } from '../testing/environment.ts'
import { createFakeFetch, runCommand, temporaryFolder } from '../testing/shell.ts'

const url = 'https://keys.example.com'
const broker = { VALETKEY_URL: url, VALETKEY_ACCESS_TOKEN: 'vk_operator' }

async function doctor(
  variables: Readonly<Record<string, string>>,
  pulled?: string,
): Promise<{ code: number; human: string; identity: { status: string; message: string; next?: string }[] }> {
  const environment = onlyEnvironment(variables)
  const folder = temporaryFolder()
  const text = `VALETKEY_URL=${url}\nVALETKEY_ID_TOKEN=${pulled}\n`
  if (pulled !== undefined) writeFileSync(join(folder, '.env.local'), text, { mode: 0o600 })
  const { fetch } = createFakeFetch({
    'GET /healthz': {},
    'GET /readyz': {},
    'GET /v1/access-tokens/self': { id: 'vat_1', role: 'owner', expiresAt: null },
  })
  const { stdout } = await runCommand(['doctor'], { environment, folder, fetch })
  const { code, stdout: json } = await runCommand(['doctor', '--json'], { environment, folder, fetch })
  const { checks } = JSON.parse(json) as {
    checks: { name: string; status: string; message: string; next?: string }[]
  }
  return { code, human: stdout, identity: checks.filter(({ name }) => name === 'identity') }
}

describe('doctor about the identity', () => {
  it('fails where a source matches and is broken, and says where to read on', async () => {
    const { code, human, identity } = await doctor({ ...broker, GITHUB_ACTIONS: 'true' })
    expect(code).toBe(1)
    expect(identity).toMatchObject([
      { status: 'fail', next: 'docs/identity.md has a section for each platform.' },
    ])
    expect(human).toContain('fail  identity: GitHub Actions')
  })

  it('only warns where there is none, with what was asked', async () => {
    const { code, identity } = await doctor({ VALETKEY_URL: url })
    expect(code).toBe(0)
    expect(identity).toMatchObject([{ status: 'warn', message: expect.stringContaining('id-token (') }])
  })

  it('is checked where no broker is named too', async () => {
    const { code, human, identity } = await doctor({})
    expect(code).toBe(1)
    expect(human).toContain('fail  broker: No broker was found')
    expect(identity).toMatchObject([{ status: 'warn', message: expect.stringContaining('id-token (') }])
  })

  it('names the source that only lacks a broker', async () => {
    const { identity } = await doctor({ GITHUB_ACTIONS: 'true' })
    const message = expect.stringContaining('With one, github-actions is the source')
    expect(identity).toMatchObject([{ status: 'warn', message, next: 'Set VALETKEY_URL for the app.' }])
  })

  it('is checked on Vercel without a broker', async () => {
    const token = unsignedJwt({
      iss: 'https://oidc.vercel.com/acme',
      sub: 'owner:acme',
      aud: 'https://vercel.com/acme',
    })
    const { identity } = await doctor({ VERCEL: '1', VERCEL_OIDC_TOKEN: token })
    expect(identity).toMatchObject([{ status: 'ok', message: expect.stringContaining('from vercel') }])
  })

  it('has the command that brings a new one where the pulled one has expired', async () => {
    const pulled = unsignedJwt({ iss: `${url}/development`, sub: 'project:prj_1', aud: url, exp: 1 })
    const { code, identity } = await doctor({}, pulled)
    expect(code).toBe(1)
    expect(identity).toMatchObject([{ status: 'fail', next: 'Run `valetkey env pull` again.' }])
  })

  it('says that the pulled one has to be loaded, and that it is passed over on a platform', async () => {
    const pulled = unsignedJwt({ iss: `${url}/development`, sub: 'project:prj_1', aud: url })
    const laptop = await doctor({}, pulled)
    expect(laptop.identity).toMatchObject([
      { status: 'ok', message: expect.stringContaining('which the app has to load') },
    ])
    const job = await doctor({ GITHUB_ACTIONS: 'true' }, pulled)
    expect(job.identity.map(({ status }) => status)).toEqual(['warn', 'fail'])
  })
})
