import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { answers, cleanUp, cleanups, egress, refusal, serve } from './testing/egress-fixture.ts'

afterEach(cleanUp)

describe('createEgress', () => {
  it('calls loopback over http where it is allowed, and gives an ordinary Response', async () => {
    const { port } = await serve((request, response) => {
      response.writeHead(201, { 'x-method': request.method ?? '', 'set-cookie': ['a=1', 'b=2'] })
      request.pipe(response)
    })
    const { fetch } = egress({ allowLoopback: true })
    const url = `http://127.0.0.1:${port}/echo`
    const response = await fetch(url, { method: 'POST', body: 'text', headers: new Headers({ 'x-a': 'b' }) })
    expect(response).toBeInstanceOf(Response)
    expect(response.status).toBe(201)
    expect(response.url).toBe(url)
    expect(response.headers.get('x-method')).toBe('POST')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(await response.text()).toBe('text')
    const form = await fetch(new URL(url), { method: 'POST', body: new URLSearchParams({ a: 'b c' }) })
    expect(await form.text()).toBe('a=b+c')
    const taken = await fetch(new Request(url, { method: 'PUT', body: 'from a Request' }))
    expect([taken.headers.get('x-method'), await taken.text()]).toEqual(['PUT', 'from a Request'])
    await expect(fetch(url, { method: 'POST', body: new FormData() })).rejects.toThrow(TypeError)
  })

  it.each([
    'https://127.0.0.1',
    'https://127.1',
    'https://2130706433',
    'https://0x7f000001',
    'https://0177.0.0.1',
    'https://017700000001',
    'https://127.0.0.1.',
    'https://①②⑦.0.0.1',
    'https://%31%32%37.0.0.1',
    'https://[::1]',
    'https://[::ffff:127.0.0.1]',
    'https://[::ffff:7f00:1]',
    'https://10.0.0.1',
    'https://192.168.0.1',
    'https://172.16.0.1',
    'https://100.64.0.1',
    'https://[fd00::1]',
    'https://192.0.2.1',
    'https://198.18.0.1',
    'https://[2001:db8::1]',
    'https://[64:ff9b::808:808]',
    'https://[2002:808:808::1]',
  ])('S22 refuses %s without asking anyone', async (url) => {
    const lookup = answers(['1.1.1.1'])
    expect(await refusal(egress({ lookup }).fetch(url))).toBe('address_not_public')
    expect(lookup.asked).toEqual([])
  })

  it.each([
    'https://169.254.169.254',
    'http://169.254.169.254/latest/meta-data',
    'https://2852039166',
    'https://0xa9fea9fe',
    'https://0251.0376.0251.0376',
    'https://[::ffff:169.254.169.254]',
    'https://[fe80::1]',
    'https://[64:ff9b::a9fe:a9fe]',
    'https://[2002:a9fe:a9fe::]',
    'https://0.0.0.0',
    'http://0:80',
    'https://[::]',
    'https://[fd00:ec2::254]',
    'https://100.100.100.200',
    'https://168.63.129.16',
    'https://255.255.255.255',
    'https://224.0.0.1',
  ])('S22 refuses %s whatever is allowed', async (url) => {
    const { fetch } = egress({
      allow: ['169.0.0.0/8', 'fc00::/7', '100.64.0.0/10', '160.0.0.0/8'],
      allowLoopback: true,
    })
    expect(await refusal(fetch(url))).toBe('address_forbidden')
  })

  it.each([
    ['http://1.1.1.1', 'scheme_not_allowed'],
    ['ftp://host.example', 'scheme_not_allowed'],
    ['file:///etc/passwd', 'scheme_not_allowed'],
    ['data:text/plain,x', 'scheme_not_allowed'],
    ['blob:https://host.example/x', 'scheme_not_allowed'],
    ['https://user:secret@host.example', 'url_invalid'],
    ['https://user@host.example', 'url_invalid'],
    ['https://[fe80::1%25eth0]', 'url_invalid'],
    ['/relative', 'url_invalid'],
    ['', 'url_invalid'],
  ])('S22 refuses %s: %s', async (url, reason) => {
    const lookup = answers(['127.0.0.1'])
    expect(await refusal(egress({ allowLoopback: true, lookup }).fetch(url))).toBe(reason)
    expect(lookup.asked).toEqual([])
  })

  it('keeps credentials of a URL out of the message', async () => {
    const error: unknown = await egress()
      .fetch('https://user:secret@host.example')
      .catch((reason: unknown) => reason)
    expect(String(error)).not.toContain('secret')
  })

  it.each([
    [['127.0.0.1'], 'address_not_public'],
    [['10.0.0.1'], 'address_not_public'],
    [['1.1.1.1', '10.0.0.1'], 'address_not_public'],
    [['::ffff:10.0.0.1'], 'address_not_public'],
    [['169.254.169.254'], 'address_forbidden'],
    [['1.1.1.1', '::ffff:169.254.169.254'], 'address_forbidden'],
    [['0.0.0.0'], 'address_forbidden'],
    [['fe80::1%eth0'], 'address_forbidden'],
  ])('S22 refuses a name that resolves to %j', async (list, reason) => {
    expect(await refusal(egress({ lookup: answers(list) }).fetch('https://host.example'))).toBe(reason)
  })

  it('S22 refuses localhost in production, by the real resolver', async () => {
    expect(await refusal(egress().fetch('https://localhost'))).toBe('address_not_public')
    expect(await refusal(egress().fetch('http://localhost'))).toBe('address_not_public')
  })

  it('S22 connects to the address that was checked, looked up once', async () => {
    const { port } = await serve((_, response) => response.end('hello'))
    // A second lookup would lead elsewhere; port 1 of it answers nobody.
    const lookup = answers(['127.0.0.1'], ['169.254.169.254'])
    const { fetch } = egress({ allow: [`rebind.test:${port}`], lookup })
    const response = await fetch(`http://rebind.test:${port}/`)
    expect(await response.text()).toBe('hello')
    expect(lookup.asked).toEqual(['rebind.test'])
  })

  it('S22 checks again when DNS changes its answer for the next connection', async () => {
    const { port, paths } = await serve((_, response) => {
      response.setHeader('connection', 'close')
      response.end('hello')
    })
    const lookup = answers(['127.0.0.1'], ['169.254.169.254'], ['1.1.1.1', '10.0.0.1'])
    const { fetch } = egress({ allowLoopback: true, lookup })
    expect(await (await fetch(`http://rebind.test:${port}/1`)).text()).toBe('hello')
    expect(await refusal(fetch(`http://rebind.test:${port}/2`))).toBe('address_forbidden')
    expect(await refusal(fetch(`http://rebind.test:${port}/3`))).toBe('scheme_not_allowed')
    expect(paths).toEqual(['/1'])
  })

  it('reuses a connection whose address was checked', async () => {
    const { port } = await serve((_, response) => response.end('hello'))
    const lookup = answers(['127.0.0.1'], ['169.254.169.254'])
    const { fetch } = egress({ allowLoopback: true, lookup })
    for (let round = 0; round < 5; round += 1) {
      await (await fetch(`http://kept.test:${port}/`)).text()
      // The connection is free again only after the body has been given.
      await setImmediate()
    }
    expect(lookup.asked).toHaveLength(1)
  })

  it('S22 names the host in TLS while it connects to the checked address', async () => {
    const hellos: Buffer[] = []
    const server = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (data) => {
        hellos.push(data)
        socket.destroy()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => new Promise((resolve) => server.close(resolve)))
    const { port } = server.address() as AddressInfo
    const { fetch } = egress({ allow: ['ghe.test'], lookup: answers(['127.0.0.1']) })
    await expect(fetch(`https://ghe.test:${port}/`)).rejects.toThrow(TypeError)
    expect(hellos[0]?.includes('ghe.test')).toBe(true)
  })

  it.each([301, 302, 303, 307, 308])('S22 does not follow a %s', async (status) => {
    const { port, paths } = await serve((_, response) => {
      response.writeHead(status, { location: 'http://169.254.169.254/' })
      response.end()
    })
    const { fetch } = egress({ allowLoopback: true })
    const response = await fetch(`http://127.0.0.1:${port}/a`, { redirect: 'follow' })
    expect([response.status, response.headers.get('location')]).toEqual([status, 'http://169.254.169.254/'])
    await expect(fetch(`http://127.0.0.1:${port}/b`, { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(paths).toEqual(['/a', '/b'])
  })

  it('lets answers without a body through', async () => {
    const { port } = await serve((request, response) => {
      response.statusCode = request.method === 'HEAD' ? 200 : 204
      response.end()
    })
    const { fetch } = egress({ allowLoopback: true })
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(204)
    expect(await (await fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD' })).text()).toBe('')
  })

  it('reports a name that does not exist as a failed call, not a refusal', async () => {
    await expect(egress({ lookup: answers([]) }).fetch('https://host.example')).rejects.toThrow(TypeError)
  })

  it('reads no proxy from the environment', async () => {
    const { port } = await serve((_, response) => response.end('direct'))
    const proxy = await serve((_, response) => response.end('proxied'))
    process.env.HTTP_PROXY = process.env.http_proxy = `http://127.0.0.1:${proxy.port}`
    cleanups.push(() => {
      delete process.env.HTTP_PROXY
      delete process.env.http_proxy
    })
    expect(await (await egress({ allowLoopback: true }).fetch(`http://127.0.0.1:${port}/`)).text()).toBe(
      'direct',
    )
    expect(proxy.paths).toEqual([])
  })
})
