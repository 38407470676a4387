import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, egress, refusal, serve } from './testing/egress-fixture.ts'

afterEach(cleanUp)

describe('the limits of an egress call', () => {
  it('S22 ends a body that is larger than the limit', async () => {
    const { port } = await serve((_, response) => response.end(Buffer.alloc(5_000)))
    const { fetch } = egress({ allowLoopback: true, maxBytes: 4_999 })
    expect(await refusal(fetch(`http://127.0.0.1:${port}/`).then((response) => response.text()))).toBe(
      'response_too_large',
    )
    const exact = egress({ allowLoopback: true, maxBytes: 5_000 })
    expect((await (await exact.fetch(`http://127.0.0.1:${port}/`)).arrayBuffer()).byteLength).toBe(5_000)
  })

  it('S22 counts a compressed body by what it becomes', async () => {
    const { port } = await serve((_, response) => {
      response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync(Buffer.alloc(10_000_000)))
    })
    const { fetch } = egress({ allowLoopback: true })
    expect(await refusal(fetch(`http://127.0.0.1:${port}/`).then((response) => response.text()))).toBe(
      'response_too_large',
    )
  })

  it('S22 an endless body stops at the limit and the connection ends', async () => {
    let closed: () => void
    const ended = new Promise<void>((resolve) => {
      closed = resolve
    })
    const { port } = await serve((_, response) => {
      response.on('close', () => closed())
      const chunk = Buffer.alloc(65_536)
      const push = () => {
        while (!response.destroyed && response.write(chunk)) {}
      }
      response.on('drain', push)
      push()
    })
    const { fetch } = egress({ allowLoopback: true })
    expect(await refusal(fetch(`http://127.0.0.1:${port}/`).then((response) => response.text()))).toBe(
      'response_too_large',
    )
    await ended
  })

  it('S22 the time limit covers an answer that never begins and a body that never ends', async () => {
    const { port } = await serve((request, response) => {
      if (request.url === '/body') response.write('x')
    })
    const { fetch } = egress({ allowLoopback: true, timeoutMs: 100 })
    await expect(fetch(`http://127.0.0.1:${port}/headers`)).rejects.toMatchObject({ name: 'TimeoutError' })
    const response = await fetch(`http://127.0.0.1:${port}/body`)
    await expect(response.text()).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  it('S22 the time limit covers a lookup that never answers', async () => {
    const { fetch } = egress({ timeoutMs: 100, lookup: () => new Promise(() => {}) })
    await expect(fetch('https://host.example')).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  it('stops with the caller’s signal, before and during the body', async () => {
    const { port } = await serve((_, response) => response.write('x'))
    const { fetch } = egress({ allowLoopback: true })
    await expect(fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    const controller = new AbortController()
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: controller.signal })
    const text = response.text()
    controller.abort(new Error('enough'))
    await expect(text).rejects.toThrow('enough')
  })
})
