import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import { openEmbedded } from './open-database.ts'
import { moduleUrl, startChild } from './test-child.ts'

describe('openEmbedded', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-data-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it('keeps every acknowledged row when its process is killed', { timeout: 60_000 }, async () => {
    const data = join(folder, 'killed')
    const child = startChild(`
      import { openEmbedded } from ${JSON.stringify(moduleUrl('./open-database.ts'))}
      import { migrate } from ${JSON.stringify(moduleUrl('./migrate.ts'))}
      const { db } = await openEmbedded({ folder: ${JSON.stringify(data)}, log: () => {} })
      await migrate(db)
      for (let value = 1; ; value += 1) {
        await db.insertInto('revisions').values({ name: 'row ' + value, value }).execute()
        console.log('wrote ' + value)
      }`)
    await child.line('wrote 50')
    child.process.kill('SIGKILL')
    const { stdout } = await child.ended()
    const acknowledged = stdout.split('\n').filter((line) => /^wrote \d+$/.test(line)).length
    expect(acknowledged).toBeGreaterThanOrEqual(50)

    const { db, close } = await openEmbedded({ folder: data, log: silentLog })
    const rows = await db.selectFrom('revisions').select('name').where('name', 'like', 'row %').execute()
    expect(rows.length).toBeGreaterThanOrEqual(acknowledged)
    await close()
  })

  it('opens a folder whose first start was killed while it wrote its files', {
    timeout: 120_000,
  }, async () => {
    for (const delay of [100, 300]) {
      const data = join(folder, `young-${delay}`)
      const child = startChild(`
        import { openEmbedded } from ${JSON.stringify(moduleUrl('./open-database.ts'))}
        await openEmbedded({ folder: ${JSON.stringify(data)}, log: () => {} })
        setInterval(() => {}, 1000)`)
      const files = async () => (await readdir(join(data, 'db')).catch(() => [])).length
      while ((await files()) === 0) await sleep(5)
      await sleep(delay)
      child.process.kill('SIGKILL')
      await child.ended()
      const database = await openEmbedded({ folder: data, log: silentLog })
      await migrate(database.db)
      await database.close()
    }
  })

  it('refuses a folder that is open, and opens it again with its data after close', {
    timeout: 30_000,
  }, async () => {
    const data = join(folder, 'shared')
    const first = await openEmbedded({ folder: data, log: silentLog })
    await migrate(first.db)
    await expect(openEmbedded({ folder: data, log: silentLog })).rejects.toMatchObject({
      name: 'FolderInUse',
      message: expect.stringContaining(`process ${process.pid}`),
    })
    await first.close()
    const second = await openEmbedded({ folder: data, log: silentLog })
    expect(await pendingMigrations(second.db)).toEqual([])
    await second.close()
  })

  it('answers nothing more once another process has taken the folder over, and leaves its files alone', {
    timeout: 30_000,
  }, async () => {
    const data = join(folder, 'lost')
    const messages: string[] = []
    const log = (level: string, message: string) => void messages.push(`${level} ${message}`)
    const { db, close } = await openEmbedded({ folder: data, log })
    await migrate(db)
    await writeFile(join(data, 'lock.2'), '{}')
    await expect
      .poll(() => messages, { timeout: 15_000 })
      .toEqual([expect.stringContaining('error another process has taken over the data folder')])
    const query = db.selectFrom('revisions').selectAll().execute()
    await expect(query).rejects.toMatchObject({ name: 'DatabaseUnreachable' })
    const transaction = db.transaction().execute(async (inside) => {
      await inside.insertInto('revisions').values({ name: 'never', value: 1 }).execute()
    })
    await expect(transaction).rejects.toThrow('taken over')
    await close()
    expect(await readFile(join(data, 'lock.2'), 'utf8')).toBe('{}')
  })
})
