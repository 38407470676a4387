import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockDataFolder } from './data-folder.ts'
import { moduleUrl, startChild, type TestChild } from './test-child.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-lock-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** A process that takes the folder's lock, prints the outcome, and holds it until killed. */
function starter(data: string): TestChild {
  return startChild(`
    import { lockDataFolder } from ${JSON.stringify(moduleUrl('./data-folder.ts'))}
    try {
      await lockDataFolder(${JSON.stringify(data)})
      console.log('taken')
      setInterval(() => {}, 1000)
    } catch (error) {
      console.log('refused ' + error.name)
      console.error(error.message)
      process.exitCode = 1
    }`)
}

async function kill(child: TestChild): Promise<void> {
  child.process.kill('SIGKILL')
  await child.ended()
}

async function locks(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('lock')).sort()
}

describe('lockDataFolder', () => {
  it('refuses a folder that a live process holds, naming the process and what to do', async () => {
    const holder = starter(folder)
    await holder.line('taken')
    const second = await starter(folder).ended()
    expect(second).toMatchObject({ code: 1, stdout: expect.stringContaining('refused FolderInUse') })
    expect(second.stderr).toContain(`process ${holder.process.pid} on ${hostname()}`)
    expect(second.stderr).toContain('stop it, or choose another folder with --data-dir')
    await kill(holder)
  })

  it('takes a folder over at once and unaided after its process was killed', async () => {
    const holder = starter(folder)
    await holder.line('taken')
    await kill(holder)
    const started = Date.now()
    const lock = await lockDataFolder(folder)
    expect(Date.now() - started).toBeLessThan(1_000)
    expect(await locks()).toEqual(['lock.2'])
    await lock.release()
  })

  it('takes a folder over from a killed process that its parent has not reaped', async () => {
    // The shell starts a process, kills it and never waits: it stays as a zombie while the shell runs.
    const code = `import { lockDataFolder } from ${JSON.stringify(moduleUrl('./data-folder.ts'))}
      await lockDataFolder(${JSON.stringify(folder)}); console.log('taken'); setInterval(() => {}, 1000)`
    const shell = spawn(
      'bash',
      ['-c', '"$0" --no-warnings --input-type=module -e "$1" & exec sleep 60', process.execPath, code],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await new Promise((resolve) => shell.stdout.once('data', resolve))
    const { pid } = JSON.parse(await readFile(join(folder, 'lock.1'), 'utf8'))
    process.kill(pid, 'SIGKILL')
    await expect.poll(async () => await readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ')
    await (await lockDataFolder(folder)).release()
    shell.kill()
  })

  it('lets exactly one of eight simultaneous starters take over a stale lock', {
    timeout: 60_000,
  }, async () => {
    const rounds = 20
    for (let round = 0; round < rounds; round += 1) {
      await mkdir(join(folder, String(round)))
      await writeFile(join(folder, String(round), 'lock.1'), JSON.stringify(await deadOwner()))
    }
    // Each starter waits for every round's moment without sleeping, tries, and keeps what it gets.
    const starters = Array.from({ length: 8 }, () =>
      startChild(`
        import { lockDataFolder } from ${JSON.stringify(moduleUrl('./data-folder.ts'))}
        console.log('ready')
        const start = Number(await new Promise((resolve) => process.stdin.once('data', resolve)))
        for (let round = 0; round < ${rounds}; round += 1) {
          while (Date.now() < start + round * 200) {}
          const outcome = lockDataFolder(${JSON.stringify(folder)} + '/' + round)
          console.log(round + ' ' + (await outcome.then(() => 'taken', (error) => error.name)))
        }
        console.log('done')
        setInterval(() => {}, 1000)`),
    )
    await Promise.all(starters.map((child) => child.line('ready')))
    const start = String(Date.now() + 300)
    for (const child of starters) child.process.stdin.write(start)
    await Promise.all(starters.map((child) => child.line('done')))
    await Promise.all(starters.map(kill))
    const outcomes = (await Promise.all(starters.map((child) => child.ended()))).flatMap(({ stdout }) =>
      stdout.split('\n'),
    )
    for (let round = 0; round < rounds; round += 1) {
      expect(outcomes.filter((line) => line === `${round} taken`)).toHaveLength(1)
      expect(outcomes.filter((line) => line === `${round} FolderInUse`)).toHaveLength(7)
    }
  })

  it('does not take a live process for the dead one whose number it got', async () => {
    await writeFile(
      join(folder, 'lock.1'),
      JSON.stringify({ ...(await ownOwner()), startedAt: '1', pid: process.pid }),
    )
    await (await lockDataFolder(folder)).release()
  })

  it('waits for the heartbeat of a holder on another machine, and refuses while it beats', async () => {
    const file = join(folder, 'lock.4')
    await writeFile(
      file,
      JSON.stringify({ ...(await ownOwner()), machine: 'elsewhere', host: 'other', pid: 7 }),
    )
    const beating = setInterval(() => {
      const seconds = Date.now() / 1_000
      void utimes(file, seconds, seconds)
    }, 50)
    const attempt = lockDataFolder(folder, { heartbeatMs: 50, staleMs: 5_000 })
    await expect(attempt).rejects.toThrow('process 7 on other')
    clearInterval(beating)
    await (await lockDataFolder(folder, { heartbeatMs: 50, staleMs: 300 })).release()
    expect(await locks()).toEqual(['lock.5'])
  })

  it('does not trust the age of a file alone: a laptop that wakes up beats again', async () => {
    const file = join(folder, 'lock.1')
    await writeFile(file, JSON.stringify({ ...(await ownOwner()), machine: 'elsewhere' }))
    await utimes(file, 1_000, 1_000)
    const woken = setTimeout(() => void utimes(file, Date.now() / 1_000, Date.now() / 1_000), 100)
    await expect(lockDataFolder(folder, { heartbeatMs: 2_000, staleMs: 5_000 })).rejects.toThrow('is in use')
    clearTimeout(woken)
  })

  it('treats a half-written lock file as a holder until it stays silent', async () => {
    await writeFile(join(folder, 'lock.1'), '{"pid":12')
    const started = Date.now()
    await (await lockDataFolder(folder, { heartbeatMs: 50, staleMs: 200 })).release()
    expect(Date.now() - started).toBeGreaterThanOrEqual(190)
  })

  it('tells a holder that was taken over while it was suspended', async () => {
    let lost = 0
    const lock = await lockDataFolder(folder, {
      heartbeatMs: 20,
      onLost: () => {
        lost += 1
      },
    })
    await writeFile(join(folder, 'lock.2'), JSON.stringify(await ownOwner()))
    await expect.poll(() => lost).toBe(1)
    await lock.release()
    expect(JSON.parse(await readFile(join(folder, 'lock.2'), 'utf8'))).not.toHaveProperty('released')
  })

  it('never starts generations again, so that a starter that slept can not win an old one', async () => {
    for (const generation of [1, 2, 3]) {
      const lock = await lockDataFolder(folder)
      expect(await locks()).toEqual([`lock.${generation}`])
      await lock.release()
      await lock.release()
      expect(JSON.parse(await readFile(join(folder, `lock.${generation}`), 'utf8'))).toEqual({
        released: true,
      })
    }
  })

  it('gives up a generation that it created after a higher one was taken', async () => {
    // What the sleeper saw: generation 1 released. Meanwhile 2 and 3 were taken, and 2 was cleared away.
    await writeFile(join(folder, 'lock.1'), JSON.stringify({ released: true }))
    const owner = JSON.stringify(await ownOwner())
    const sleeper = lockDataFolder(folder, {
      // Called while the sleeper looks at generation 1 and makes up its mind to create 2.
      now: () => {
        writeFileSync(join(folder, 'lock.3'), owner)
        return Date.now()
      },
    })
    await expect(sleeper).rejects.toMatchObject({ name: 'FolderInUse' })
    expect(await locks()).toEqual(['lock.1', 'lock.3'])
  })

  it('makes the folder for its owner alone and keeps it out of git', async () => {
    const data = join(folder, 'deep', '.valetkey')
    const lock = await lockDataFolder(data)
    expect((await stat(data)).mode & 0o777).toBe(0o700)
    expect(await readFile(join(data, '.gitignore'), 'utf8')).toBe('*\n')
    await lock.release()
  })

  it('says so when the folder is a file', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(lockDataFolder(join(folder, 'file'))).rejects.toMatchObject({ name: 'FolderUnusable' })
  })

  /** This process as it describes itself. */
  async function ownOwner(): Promise<Record<string, unknown>> {
    const own = join(folder, 'own')
    const lock = await lockDataFolder(own)
    const owner = JSON.parse(await readFile(join(own, 'lock.1'), 'utf8'))
    await lock.release()
    await rm(own, { recursive: true })
    return owner
  }

  let dead: Record<string, unknown> | undefined
  /** A process of this machine that has ended. */
  async function deadOwner(): Promise<Record<string, unknown>> {
    if (dead !== undefined) return dead
    const child = spawn(process.execPath, ['--eval', ''])
    const { pid } = child
    await new Promise((resolve) => child.once('close', resolve))
    dead = { ...(await ownOwner()), pid }
    return dead
  }
})
