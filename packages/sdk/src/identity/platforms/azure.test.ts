import { startAzure } from '@valetkey/testing/platforms'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../../test-support/fakes.ts'
import { workloadOn } from '../test-support/workload.ts'

const application = '0d1e2f30-0000-4000-8000-000000000003'
const other = '0d1e2f30-0000-4000-8000-00000000000f'

describe('a token of Azure', () => {
  it.each([
    ['2, for the application’s id', {}, application],
    [
      '1, for the URI that was asked for',
      { claims: { aud: `api://${application}` } },
      `api://${application}`,
    ],
    ['1, for a URI of one’s own', { resource: 'api://shop', claims: { aud: 'api://shop' } }, 'api://shop'],
  ])('of version %s is taken', async (_version, options, audience) => {
    const platform = await startAzure(options)
    const { call, identities } = workloadOn(platform)
    expect(await call()).toBe('provider-token')
    expect(identities()).toMatchObject([{ audiences: [audience] }])
    await platform.close()
  })

  it.each([
    ['another application’s id', { claims: { aud: other } }],
    ['another application’s URI', { claims: { aud: `api://${other}` } }],
    ['two', { claims: { aud: [application, other] } }],
    ['an id that the URI does not tell', { resource: 'api://shop' }],
  ])('S14 for %s is not sent', async (_audience, options) => {
    const platform = await startAzure(options)
    const { call, sent } = workloadOn(platform)
    const error = await errorOf(call())
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain('for another audience than')
    expect(sent).toEqual([])
    await platform.close()
  })
})
