import { chmodSync, copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Failure } from '../failure.ts'
import { temporaryFolder } from '../testing/shell.ts'
import { writeLinkFile } from './link-file.ts'
import { locateBroker } from './locate.ts'

const userId = process.getuid?.()
const local = { url: 'http://127.0.0.1:4570', accessToken: 'vk_owner', pid: 1 }

function plant(folder: string, content: unknown = local, mode = 0o600): string {
  mkdirSync(join(folder, '.valetkey'), { recursive: true })
  const path = join(folder, '.valetkey', 'dev.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  chmodSync(path, mode)
  return path
}

async function refusal(place: Parameters<typeof locateBroker>[0]): Promise<Failure> {
  const result: unknown = await locateBroker(place).catch((error: unknown) => error)
  if (result instanceof Failure) return result
  throw new Error('It was not refused')
}

describe('locateBroker', () => {
  it('takes VALETKEY_URL with VALETKEY_ACCESS_TOKEN before any file', async () => {
    const folder = temporaryFolder()
    plant(folder)
    const environment = { VALETKEY_URL: 'https://keys.example.com/', VALETKEY_ACCESS_TOKEN: 'vk_1' }
    expect(await locateBroker({ environment, folder, userId })).toEqual({
      url: 'https://keys.example.com',
      accessToken: 'vk_1',
      source: 'VALETKEY_URL',
    })
  })

  it('says what is missing when VALETKEY_URL comes without a token', async () => {
    const folder = temporaryFolder()
    plant(folder)
    const environment = { VALETKEY_URL: 'https://keys.example.com' }
    const failure = await refusal({ environment, folder, userId })
    expect(failure.code).toBe('identity_unavailable')
    expect(failure.message).toContain('VALETKEY_ACCESS_TOKEN is not')
    expect(failure.next).toContain('valetkey token create')
  })

  it('takes the token of the dev.json whose broker VALETKEY_URL names, as after reading an .env.local', async () => {
    const folder = temporaryFolder()
    const path = plant(folder)
    const below = join(folder, 'one')
    mkdirSync(below)
    for (const url of [local.url, `${local.url}/`, 'HTTP://127.0.0.1:4570'])
      expect(await locateBroker({ environment: { VALETKEY_URL: url }, folder: below, userId })).toEqual({
        url: local.url,
        accessToken: 'vk_owner',
        source: path,
      })
  })

  it('finds that dev.json above one of another broker, and keeps the project of the link', async () => {
    const folder = temporaryFolder()
    const path = plant(folder)
    const below = join(folder, 'one')
    plant(below, { ...local, url: 'http://127.0.0.1:4571', accessToken: 'vk_other' })
    const environment = { VALETKEY_URL: local.url }
    await writeLinkFile(below, { url: local.url, project: 'shop' })
    expect(await locateBroker({ environment, folder: below, userId })).toEqual({
      url: local.url,
      accessToken: 'vk_owner',
      source: path,
      project: 'shop',
    })
  })

  it.each([
    'http://127.0.0.1:4571',
    'https://127.0.0.1:4570',
    'http://localhost:4570',
    'http://127.0.0.2:4570',
    'https://keys.example.com',
  ])('S37 takes no dev.json of another origin than VALETKEY_URL %s', async (url) => {
    const folder = temporaryFolder()
    plant(folder)
    const failure = await refusal({ environment: { VALETKEY_URL: url }, folder, userId })
    expect(failure.code).toBe('identity_unavailable')
    expect(failure.next).toContain('unset VALETKEY_URL')
    expect(failure.next).toContain('Set VALETKEY_ACCESS_TOKEN')
  })

  it('S37 trusts the dev.json that VALETKEY_URL names no more than any other', async () => {
    const folder = temporaryFolder()
    plant(folder, local, 0o644)
    const failure = await refusal({ environment: { VALETKEY_URL: local.url }, folder, userId })
    expect(failure.message).toContain('must be 0600')
  })

  it('refuses http to another machine', async () => {
    const environment = { VALETKEY_URL: 'http://keys.example.com', VALETKEY_ACCESS_TOKEN: 'vk_1' }
    const failure = await refusal({ environment, folder: temporaryFolder(), userId })
    expect(failure.message).toContain('must use https')
  })

  it('finds the dev.json of a parent folder', async () => {
    const folder = temporaryFolder()
    const path = plant(folder)
    const below = join(folder, 'one', 'two')
    mkdirSync(below, { recursive: true })
    expect(await locateBroker({ environment: {}, folder: below, userId })).toEqual({
      url: local.url,
      accessToken: 'vk_owner',
      source: path,
    })
  })

  it('says how to start a broker when there is none', async () => {
    const failure = await refusal({ environment: {}, folder: temporaryFolder(), userId })
    expect(failure.code).toBe('issuing_point_missing')
    expect(failure.next).toContain('valetkey dev')
  })

  it.each([
    ['as git writes it: mode 0644', 0o644],
    ['readable by the group: mode 0640', 0o640],
  ])('S37 does not trust a dev.json %s', async (_, mode) => {
    const folder = temporaryFolder()
    plant(folder, local, mode)
    const failure = await refusal({ environment: {}, folder, userId })
    expect(failure.code).toBe('issuing_point_missing')
    expect(failure.message).toContain('must be 0600')
  })

  it('S37 does not trust a dev.json of another user', async () => {
    const folder = temporaryFolder()
    plant(folder)
    const failure = await refusal({ environment: {}, folder, userId: (userId ?? 0) + 1 })
    expect(failure.message).toContain('belongs to another user')
  })

  it('S37 does not follow a symlink in place of dev.json', async () => {
    const folder = temporaryFolder()
    const elsewhere = plant(temporaryFolder())
    mkdirSync(join(folder, '.valetkey'))
    symlinkSync(elsewhere, join(folder, '.valetkey', 'dev.json'))
    expect((await refusal({ environment: {}, folder, userId })).message).toContain('it is a symlink')
  })

  it('S37 does not follow a symlink in place of .valetkey', async () => {
    const folder = temporaryFolder()
    const elsewhere = temporaryFolder()
    plant(elsewhere)
    symlinkSync(join(elsewhere, '.valetkey'), join(folder, '.valetkey'))
    expect((await refusal({ environment: {}, folder, userId })).message).toContain('it is a symlink')
  })

  it.each([
    'https://keys.evil.example',
    'http://keys.evil.example',
    'http://127.0.0.1.evil.example:4570',
    'http://localhost.evil.example',
    'https://127.0.0.1:4570',
    'http://user@127.0.0.1:4570',
    'ftp://127.0.0.1',
  ])('S37 does not trust a dev.json that points to %s', async (url) => {
    const folder = temporaryFolder()
    plant(folder, { ...local, url })
    const failure = await refusal({ environment: {}, folder, userId })
    expect(failure.code).toBe('issuing_point_missing')
    expect(failure.message).toContain('is not trusted')
  })

  it('S26 does not repeat the token of a dev.json that is not usable', async () => {
    const folder = temporaryFolder()
    plant(folder, '{"url":"http://127.0.0.1:1","accessToken":"vk_secret"')
    const failure = await refusal({ environment: {}, folder, userId })
    expect(failure.message).toContain('not a JSON object')
    expect(`${failure.message} ${failure.next}`).not.toContain('vk_secret')
  })

  it('uses a link with VALETKEY_ACCESS_TOKEN, and its project', async () => {
    const folder = temporaryFolder()
    const path = await writeLinkFile(folder, { url: 'https://keys.example.com', project: 'shop' })
    const environment = { VALETKEY_ACCESS_TOKEN: 'vk_1' }
    expect(await locateBroker({ environment, folder, userId })).toEqual({
      url: 'https://keys.example.com',
      project: 'shop',
      accessToken: 'vk_1',
      source: path,
    })
  })

  it('says which variable a link needs', async () => {
    const folder = temporaryFolder()
    await writeLinkFile(folder, { url: 'https://keys.example.com' })
    const failure = await refusal({ environment: {}, folder, userId })
    expect(failure.code).toBe('identity_unavailable')
    expect(failure.message).toContain('VALETKEY_ACCESS_TOKEN')
  })

  it('S37 does not send VALETKEY_ACCESS_TOKEN where a copied link points, whatever its owner and mode', async () => {
    const folder = temporaryFolder()
    const path = await writeLinkFile(folder, { url: 'https://keys.evil.example' })
    const copy = `${path}.copy`
    copyFileSync(path, copy)
    chmodSync(copy, 0o600)
    renameSync(copy, path)
    const failure = await refusal({ environment: { VALETKEY_ACCESS_TOKEN: 'vk_1' }, folder, userId })
    expect(failure.message).toContain('not written by `valetkey link`')
  })

  it('prefers the running development broker to the link beside it, and keeps their projects apart', async () => {
    const folder = temporaryFolder()
    plant(folder)
    await writeLinkFile(folder, { url: 'https://keys.example.com', project: 'shop' })
    const found = await locateBroker({ environment: { VALETKEY_ACCESS_TOKEN: 'vk_1' }, folder, userId })
    expect(found.url).toBe(local.url)
    expect(found.accessToken).toBe('vk_owner')
    expect(found.project).toBeUndefined()
  })
})
