import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, temporaryFolder } from './testing/shell.ts'

// The real command, started as people start it, against the smallest thing that speaks docs/management-api.md.

const secret = 'sk-provider-secret'
const operator = 'vk_operator_secret'
let server: Server
let url = ''

const answers: Readonly<Record<string, unknown>> = {
  'POST /v1/projects': { id: 'prj_1', name: 'shop' },
  'GET /v1/projects': { projects: [{ id: 'prj_1', name: 'shop' }], cursor: null },
  'POST /v1/connect/connectors': {
    id: 'scl_1',
    uid: 'api-key/weather',
    name: 'weather',
    type: 'api-key',
    service: 'api-key',
    data: {},
  },
  'GET /v1/access-tokens/self': { id: 'vat_1', role: 'owner' },
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]
    response.setHeader('content-type', 'application/json')
    request.resume().on('end', () => {
      if (path === '/v1/connect/token/api-key%2Fweather') {
        const connector = { id: 'scl_1', uid: 'api-key/weather', type: 'api-key' }
        response.end(
          JSON.stringify({ token: secret, tokenId: 'stk_1', expiresAt: Date.now() + 600_000, connector }),
        )
      } else if (path === '/v1/audit/export') {
        response.end('{"type":"header"}\n{"type":"checkpoint"}\n')
      } else if (request.headers.authorization !== `Bearer ${operator}`) {
        response.statusCode = 401
        const error = { code: 'identity_invalid', message: 'Not accepted', requestId: 'req_1' }
        response.end(JSON.stringify({ error }))
      } else {
        const answer = answers[`${request.method} ${path}`]
        response.statusCode = answer === undefined ? 404 : 200
        const error = { code: 'not_found', message: 'There is no such thing', requestId: 'req_2' }
        response.end(JSON.stringify(answer ?? { error }))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
})

function valetkey(
  argv: readonly string[],
  options: {
    readonly environment?: Record<string, string>
    readonly input?: string
    readonly folder?: string
  } = {},
): Promise<Finished> {
  const { environment = { VALETKEY_URL: url, VALETKEY_ACCESS_TOKEN: operator }, input = '' } = options
  const flags = ['--conditions=@valetkey/source', '--disable-warning=ExperimentalWarning']
  const child = spawn(
    process.execPath,
    [...flags, fileURLToPath(new URL('bin.ts', import.meta.url)), ...argv],
    {
      cwd: options.folder ?? temporaryFolder(),
      env: { PATH: process.env.PATH ?? '', ...environment },
    },
  )
  const written = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    written.stdout += chunk.toString('utf8')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    written.stderr += chunk.toString('utf8')
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, ...written })))
}

describe('valetkey, as a process', { timeout: 60_000 }, () => {
  it('creates a connector from stdin, and S26 shows nothing of its secrets', async () => {
    const argv = ['connect', 'create', 'api-key', '--name', 'weather', '--data', '@-', '--json']
    const input = JSON.stringify({ values: [{ value: secret }] })
    const { code, stdout, stderr } = await valetkey(argv, { input })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ id: 'scl_1', uid: 'api-key/weather', type: 'api-key' })
    expect(stdout + stderr).not.toContain(secret)
  })

  it('prints a token alone on stdout, or the whole answer', async () => {
    const identity = `e30.${Buffer.from(JSON.stringify({ aud: url, exp: 4_000_000_000 })).toString('base64url')}.c2ln`
    const environment = { VALETKEY_URL: url, VALETKEY_ID_TOKEN: identity }
    const human = await valetkey(['connect', 'token', 'api-key/weather'], { environment })
    expect(human).toEqual({ code: 0, stdout: `${secret}\n`, stderr: '' })
    const json = await valetkey(['connect', 'token', 'api-key/weather', '--json'], { environment })
    expect(JSON.parse(json.stdout)).toMatchObject({ token: secret, tokenId: 'stk_1' })
    expect(json.stdout + json.stderr).not.toContain(identity)
  })

  it('passes on a refusal: exit 1, the wire body, the request id', async () => {
    const { code, stdout, stderr } = await valetkey(['project', 'trust', 'list', 'nothing', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'not_found', message: 'There is no such thing', requestId: 'req_2' },
    })
    expect(stderr).toBe('')
  })

  it('streams an export to stdout', async () => {
    const { code, stdout } = await valetkey(['audit', 'export'])
    expect([code, stdout]).toEqual([0, '{"type":"header"}\n{"type":"checkpoint"}\n'])
  })

  it('says how to start a broker that does not answer', async () => {
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const nothing = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`
    gone.close()
    await once(gone, 'close')
    const environment = { VALETKEY_URL: nothing, VALETKEY_ACCESS_TOKEN: operator }
    const { code, stderr } = await valetkey(['project', 'list'], { environment })
    expect(code).toBe(1)
    expect(stderr).toContain(`Nothing answers at ${nothing}: start it with \`valetkey dev\``)
    expect(stderr).not.toContain(operator)
  })
})
