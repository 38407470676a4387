// An app on a laptop with nothing set, run as a process of its own: what it is told, and what it loaded and reached.
import { registerHooks } from 'node:module'
import { Socket } from 'node:net'

const loaded: string[] = []
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url)
    return nextLoad(url, context)
  },
})

let reached = 0
const { connect } = Socket.prototype
Socket.prototype.connect = function (this: Socket, ...args: Parameters<typeof connect>) {
  reached++
  return connect.apply(this, args)
} as typeof connect
globalThis.fetch = () => {
  reached++
  return Promise.reject(new TypeError('fetch failed'))
}

const { getToken, isConnectError } = await import('../../index.ts')

async function failure(): Promise<{ code: string; message: string }> {
  try {
    await getToken('api-key/weather', { subject: { type: 'app' } })
  } catch (error) {
    if (isConnectError(error)) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('there was an identity')
}

const withoutUrl = await failure()
process.env.VALETKEY_URL = 'https://broker.example'
const withUrl = await failure()
process.stdout.write(JSON.stringify({ withoutUrl, withUrl, loaded, reached }))
