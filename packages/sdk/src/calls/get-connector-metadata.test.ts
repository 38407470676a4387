import { expect, it } from 'vitest'
import { errorOf, fakeFetch, testContext } from '../test-support/fakes.ts'
import { getConnectorMetadataIn } from './get-connector-metadata.ts'

const description = {
  id: 'scl_1',
  uid: 'slack/mybot',
  name: 'My bot',
  type: 'slack',
  service: 'slack',
  clientUrl: 'https://slack.com',
  createdAt: 1,
  updatedAt: 2,
}

it('shows the public configuration as vendor, and nothing that is not documented', async () => {
  const fetch = fakeFetch(() => Response.json({ ...description, data: { appId: 'A1' }, internal: true }))
  const context = testContext({ fetch, identity: 'me' })
  expect(await getConnectorMetadataIn(context, 'slack/mybot', undefined)).toEqual({
    ...description,
    vendor: { appId: 'A1' },
  })
  expect(fetch.seen[0]).toMatchObject({
    method: 'GET',
    url: 'https://broker.example/v1/connect/connectors/slack%2Fmybot',
    body: undefined,
  })
})

it('surfaces a refusal', async () => {
  const fetch = fakeFetch(() =>
    Response.json({ error: { code: 'forbidden', message: 'no' } }, { status: 403 }),
  )
  const error = await errorOf(getConnectorMetadataIn(testContext({ fetch, identity: 'me' }), 'c', undefined))
  expect(error).toMatchObject({ code: 'forbidden', connector: 'c', status: 403 })
})
