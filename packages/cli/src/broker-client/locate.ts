import { dirname, join } from 'node:path'
import { type Failure, failed } from '../failure.ts'
import type { Shell } from '../shell.ts'
import { addressProblem, isLoopback, normalizeAddress } from './address.ts'
import { parseDevelopmentFile } from './development-file.ts'
import { parseLinkFile } from './link-file.ts'
import { folderProblem, type PrivateFile, readPrivateFile } from './private-file.ts'

type Place = Pick<Shell, 'environment' | 'folder' | 'userId'>

/** The broker that commands speak to. */
export interface LocatedBroker {
  /** No slash at its end. */
  readonly url: string
  readonly accessToken: string
  /** What named it: `VALETKEY_URL`, or the path of a file. */
  readonly source: string
  /** The project that `valetkey link` set for this broker. */
  readonly project?: string
}

/** Where the broker is, with or without the right to manage it. */
export type BrokerPlace = Omit<LocatedBroker, 'accessToken'> & { readonly accessToken?: string }

/**
 * Finds the broker and an operator's token for it: `VALETKEY_URL` with `VALETKEY_ACCESS_TOKEN`, else the nearest
 * `.valetkey/dev.json` or `.valetkey/link.json` (in one folder the running development broker wins).
 *
 * Where `VALETKEY_URL` comes without a token, as from an `.env.local`, the token of a `dev.json` is used only if that
 * file is of the same origin.
 *
 * A file that is there but can't be trusted stops with its reason: nothing falls through in silence.
 *
 * @throws {Failure} `issuing_point_missing`, or `identity_unavailable` when only the token is missing.
 */
export async function locateBroker(place: Place): Promise<LocatedBroker> {
  const found = await locatePlace(place)
  if (found.accessToken !== undefined) return { ...found, accessToken: found.accessToken }
  if (found.source === 'VALETKEY_URL') {
    const development = await findDevelopmentBroker(place, found)
    if (development !== undefined) return development
    throw failed(
      'identity_unavailable',
      'VALETKEY_URL is set but VALETKEY_ACCESS_TOKEN is not, and no development broker of that address runs in this folder or its parents',
      "Set VALETKEY_ACCESS_TOKEN to an operator's token (`valetkey token create --role manager` makes one), or unset VALETKEY_URL to use the development broker of this folder.",
    )
  }
  throw failed(
    'identity_unavailable',
    `This folder is linked to ${found.url}, but VALETKEY_ACCESS_TOKEN is not set`,
    "Set it to an operator's token; `valetkey token create --role manager` makes one.",
  )
}

/** Finds the broker only: {@link locateBroker} for commands that act as a workload. */
export async function locatePlace(place: Place): Promise<BrokerPlace> {
  const found = await findPlace(place)
  if (found !== undefined) return found
  throw failed(
    'issuing_point_missing',
    'No broker was found: VALETKEY_URL is not set, and neither this folder nor its parents have a running development broker or a link',
    'Start one here with `valetkey dev`, or name one with `valetkey link --url URL`.',
  )
}

/** {@link locatePlace}, with nothing for an answer where nothing names a broker. */
export async function findPlace(place: Place): Promise<BrokerPlace | undefined> {
  const { environment } = place
  const token = filled(environment.VALETKEY_ACCESS_TOKEN)
  const url = filled(environment.VALETKEY_URL)
  if (url === undefined) return await findInFolders(place, token)

  const problem = addressProblem(url)
  if (problem !== undefined) throw failed('issuing_point_missing', `VALETKEY_URL ${problem}`)
  const base = { url: normalizeAddress(url), source: 'VALETKEY_URL', ...withToken(token) }
  const project = await linkedProject(place, base.url)
  return project === undefined ? base : { ...base, project }
}

async function findInFolders(place: Place, token: string | undefined): Promise<BrokerPlace | undefined> {
  for (const folder of upwards(place.folder)) {
    const files = await readFolder(folder, place.userId)
    if (files === undefined) continue
    const development = trusted(files.development, 'dev.json', folder, parseDevelopmentFile)
    const link = trusted(files.link, 'link.json', folder, parseLinkFile)
    if (development !== undefined) {
      const { url, accessToken } = development
      const project = link?.url === url ? link.project : undefined
      const source = join(folder, '.valetkey', 'dev.json')
      return { url, accessToken, source, ...(project === undefined ? {} : { project }) }
    }
    if (link !== undefined)
      return { ...link, source: join(folder, '.valetkey', 'link.json'), ...withToken(token) }
  }
  return undefined
}

/** The development broker that `VALETKEY_URL` names, where its own file is found. */
async function findDevelopmentBroker(place: Place, named: BrokerPlace): Promise<LocatedBroker | undefined> {
  // Such a file is for this machine only; for any other address none has to be read, or trusted.
  if (!isLoopback(new URL(named.url))) return undefined
  for (const folder of upwards(place.folder)) {
    const files = await readFolder(folder, place.userId)
    if (files === undefined) continue
    const development = trusted(files.development, 'dev.json', folder, parseDevelopmentFile)
    // Of another origin: a token that was made for that broker is not this one's to see.
    if (development === undefined || new URL(development.url).origin !== new URL(named.url).origin) continue
    const { url, accessToken } = development
    const project = url === named.url ? named.project : undefined
    const source = join(folder, '.valetkey', 'dev.json')
    return { url, accessToken, source, ...(project === undefined ? {} : { project }) }
  }
  return undefined
}

/** The project of the nearest link, if that link is to the broker at `url`. */
async function linkedProject(place: Place, url: string): Promise<string | undefined> {
  for (const folder of upwards(place.folder)) {
    const files = await readFolder(folder, place.userId)
    if (files === undefined || files.link.state === 'absent') continue
    // VALETKEY_URL decides here; a link that can't be trusted only loses its say about the project.
    if (files.link.state !== 'read') return undefined
    const link = parseLinkFile(files.link.text, files.link.inode)
    return typeof link !== 'string' && link.url === url ? link.project : undefined
  }
  return undefined
}

interface FolderFiles {
  readonly development: PrivateFile
  readonly link: PrivateFile
}

async function readFolder(folder: string, userId: number | undefined): Promise<FolderFiles | undefined> {
  const data = join(folder, '.valetkey')
  const [development, link] = await Promise.all([
    readPrivateFile(join(data, 'dev.json'), userId),
    readPrivateFile(join(data, 'link.json'), userId),
  ])
  if (development.state === 'absent' && link.state === 'absent') return undefined
  const problem = await folderProblem(data, userId)
  if (problem === undefined) return { development, link }
  const refused = { state: 'untrusted', reason: `of its folder: ${problem}` } as const
  return {
    development: development.state === 'absent' ? development : refused,
    link: link.state === 'absent' ? link : refused,
  }
}

function trusted<Content>(
  file: PrivateFile,
  name: string,
  folder: string,
  parse: (text: string, inode: string) => Content | string,
): Content | undefined {
  if (file.state === 'absent') return undefined
  const path = join(folder, '.valetkey', name)
  if (file.state === 'untrusted') throw untrusted(path, name, file.reason)
  const content = parse(file.text, file.inode)
  if (typeof content === 'string') throw untrusted(path, name, content)
  return content
}

function untrusted(path: string, name: string, reason: string): Failure {
  const remedy =
    name === 'dev.json'
      ? 'Remove it and start your own broker with `valetkey dev`, or set VALETKEY_URL and VALETKEY_ACCESS_TOKEN.'
      : 'Remove it or write it anew with `valetkey link --url URL`, or set VALETKEY_URL and VALETKEY_ACCESS_TOKEN.'
  return failed('issuing_point_missing', `${path} is not trusted because ${reason}`, remedy)
}

function upwards(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...upwards(parent)]
}

function filled(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim()
}

function withToken(token: string | undefined): { readonly accessToken?: string } {
  return token === undefined ? {} : { accessToken: token }
}
