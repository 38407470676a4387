// The step of a GitHub Actions job: run as a process of its own, with nothing but the job's environment.
import { getToken, isConnectError } from '@valetkey/sdk'

const params = { subject: { type: 'app' } } as const
try {
  const tokens = [await getToken('api-key/weather', params), await getToken('api-key/weather', params)]
  process.stdout.write(JSON.stringify({ tokens }))
} catch (error) {
  if (!isConnectError(error)) throw error
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message }))
}
