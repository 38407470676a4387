import { describe, expect, test } from 'vitest'
import { drivers, findDriver } from './registry.ts'

test('finds a driver by exactly its name', () => {
  expect(findDriver('github')?.title).toBe('GitHub')
  expect(findDriver('slack')?.title).toBe('Slack')
  expect(findDriver('api-key')?.title).toBe('API key')
  for (const name of ['', 'GitHub', 'github ', '__proto__', 'constructor'])
    expect(findDriver(name)).toBeUndefined()
})

test('no two drivers share a name', () => {
  expect(new Set(drivers.map((driver) => driver.service)).size).toBe(drivers.length)
})

describe.each(drivers.map((driver) => [driver.service, driver] as const))('%s', (_service, driver) => {
  test('has revokeToken exactly when its behaviour says so', () => {
    expect(driver.revokeToken !== undefined).toBe(driver.behaviour.revokesTokens)
  })

  test('describes its data as an object that takes nothing else, every secret field included', () => {
    expect(driver.dataSchema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(Object.keys(driver.dataSchema.properties as object)).toEqual(
      expect.arrayContaining([...driver.secretFields]),
    )
    expect(JSON.parse(JSON.stringify(driver.dataSchema))).toEqual(driver.dataSchema)
  })

  test.each([undefined, null, 'text', 7, []])('refuses %j as data', (data) => {
    expect(() => driver.parseSettings(data)).toThrow('The data must be a JSON object')
  })

  test('refuses an unknown field by its name, and a secret in its place without it', () => {
    expect(() => driver.parseSettings({ surprise: 1 })).toThrow(/Unknown field surprise|is required/)
    const misplaced = { 'xoxb-1234 misplaced': 1 }
    expect(() => driver.parseSettings(misplaced)).not.toThrow('xoxb-1234')
  })
})
