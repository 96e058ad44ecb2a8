// Drives the official package of Lumi.new against a backend, and prints as JSON what came of it.
//
// node lumi_calls.mjs PACKAGE ADDRESS PROJECT MODE, with what an earlier run printed on the standard input. MODE is
// `first`, `again` (after the service was killed and started again) or `browser` (with the globals of a browser).

import { createRequire } from 'node:module'

const [, , entry, apiBaseUrl, projectId, mode] = process.argv
const account = { email: 'Ines@example.org', password: 'correct horse' }

if (mode === 'browser') {
  globalThis.window = { addEventListener() {}, removeEventListener() {} }
}
// Node does not find what the package's other entry, for bundlers, imports.
const { createClient } = createRequire(import.meta.url)(entry)

function storage() {
  const kept = new Map()
  const listeners = new Set()
  const changed = (key, value) => listeners.forEach((listener) => listener(key, value))
  return {
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => { kept.set(key, value); changed(key, value) },
      removeItem: (key) => { kept.delete(key); changed(key, null) },
    },
    listen: (callback) => { listeners.add(callback); return () => listeners.delete(callback) },
  }
}

function client(token) {
  const authorization = token ? `Bearer ${token}` : undefined
  return createClient({ projectId, apiBaseUrl, authOrigin: '', authorization, storageAdapter: storage() })
}

async function errorOf(call) {
  try {
    await call()
    return null
  } catch (error) {
    return [error.name, error.code ?? null, error.code ? null : error.message]
  }
}

async function readAll(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

async function code(lumi) {
  return (await lumi.functions.invoke('code', { query: { email: account.email } })).code
}

async function entities({ Posts }) {
  const one = await Posts.create({ title: 'Leaking tap', status: 'open', n: 1, city: 'Zürich' })
  const more = await Posts.createMany([{ title: 'Broken lamp', status: 'open', n: 2 }, { title: 'Door', n: 3 }])
  const updated = await Posts.update(one._id, { status: 'done' })
  const page = await Posts.list({ filter: { n: { $gt: 1 } }, sort: { n: -1 }, limit: 1, skip: 1 })
  const all = await Posts.list({ sort: { n: 1 } })
  const got = await Posts.get(one._id)
  const odd = await Posts.create({ _id: 'a 1,b!2', title: 'Odd' })
  await Posts.delete(more[1]._id)
  await Posts.deleteMany([more[0]._id, odd._id])
  return {
    one, more, updated, page, got,
    titles: all.list.map((post) => post.title),
    gone: await Posts.get(more[0]._id),
    left: (await Posts.list()).total,
    missing: await errorOf(() => Posts.update('nothing', { n: 1 })),
  }
}

async function tools({ email, file, ai }) {
  await email.send({ to: account.email, subject: 'Repair booked', html: '<p>Thursday.</p>', replyTo: 'desk@example.org' })
  const uploads = await file.upload([
    new File(['drip'], 'tap ü.txt', { type: 'text/plain' }), new File(['MZ'], 'tool.exe'),
  ])
  const kept = (await file.upload([new File(['kept'], 'kept.txt')]))[0].fileUrl
  const served = await (await fetch(uploads[0].fileUrl)).text()
  await file.delete([uploads[0].fileUrl])
  const messages = [
    { role: 'system', content: 'Answer in one line.' },
    { role: 'user', content: 'What drips?', medias: [{ mimeType: 'image/png', url: 'https://files.example.test/tap.png' }] },
  ]
  const text = await ai.generateText({ messages })
  const chunks = await readAll(await ai.parseStream(await ai.generateTextStream({ messages })))
  const image = await ai.generateImage({ messages: [{ role: 'user', content: 'A gull' }] })
  const bytes = new Uint8Array(await (await fetch(image.imageURL)).arrayBuffer())
  return {
    uploads, served, kept, text: text.content, image: image.imageURL, status: image.generationStatus,
    deleted: (await fetch(uploads[0].fileUrl)).status,
    streamed: chunks.map((chunk) => chunk.data.content).join(''), chunks: chunks.length,
    png: [...bytes.slice(1, 4)].map((byte) => String.fromCharCode(byte)).join(''),
  }
}

async function invoked({ functions }) {
  const answered = await functions.invoke('echo', { method: 'POST', query: { a: 1 }, body: { to: 'x' } })
  const stream = await functions.invoke('lines', { responseType: 'stream' })
  const texts = (await readAll(stream)).map((bytes) => new TextDecoder().decode(bytes))
  return { answered, lines: texts.join(''), unknown: (await errorOf(() => functions.invoke('none')))[0] }
}

async function first() {
  const lumi = client()
  await lumi.auth.sendOtp({ email: account.email, type: 'register' })
  const wrong = await errorOf(() => lumi.auth.signUpWithPassword({ ...account, otp: 'wrong' }))
  const signedUp = await lumi.auth.signUpWithPassword({ ...account, otp: await code(lumi), userName: 'Ines' })
  const profile = await lumi.auth.refreshUser()
  await lumi.auth.sendOtp({ email: account.email, type: 'resetPassword' })
  await lumi.auth.resetPassword({ email: account.email, newPassword: 'new horse', otp: await code(lumi) })
  const old = await errorOf(() => lumi.auth.signInWithPassword(account))
  const { accessToken } = await lumi.auth.signInWithPassword({ ...account, password: 'new horse' })
  return {
    wrong, old, profile, name: signedUp.user.userName, accessToken, authenticated: lumi.auth.isAuthenticated,
    refused: [await errorOf(() => lumi.auth.signIn()), await errorOf(() => lumi.auth.signInWithOAuth({ provider: 'google' }))],
    entities: await entities(lumi.entities), tools: await tools(lumi.tools), functions: await invoked(lumi),
  }
}

async function again(before) {
  const lumi = client(before.accessToken)
  const profile = await lumi.auth.refreshUser()
  const { list, total } = await lumi.entities.Posts.list({ filter: { city: 'Zürich' }, limit: 5 })
  const served = await (await fetch(before.tools.kept)).text()
  await lumi.tools.file.delete([before.tools.kept])
  const { accessToken } = await lumi.auth.signInWithPassword({ ...account, password: 'new horse' })
  return {
    profile, list, total, served, accessToken, image: (await fetch(before.tools.image)).status,
    invalid: await errorOf(() => client('nobody').tools.email.send({ to: 'a@example.org', subject: 'S', text: 'T' })),
    updated: await lumi.entities.Posts.update(list[0]._id, { status: 'open' }),
  }
}

async function browser() {
  const lumi = client()
  const seen = []
  const stop = lumi.auth.onAuthChange(({ isAuthenticated }) => seen.push(isAuthenticated))
  await lumi.auth.signInWithPassword({ ...account, password: 'new horse' })
  const user = await lumi.auth.refreshUser()
  lumi.auth.signOut()
  lumi.auth.accessToken = 'nobody'
  const invalid = await errorOf(() => lumi.entities.Posts.list())
  stop()
  return { seen, email: user.email, invalid, authenticated: lumi.auth.isAuthenticated }
}

let input = ''
for await (const chunk of process.stdin) input += chunk
const outcome = await { first, again, browser }[mode](input ? JSON.parse(input) : null)
process.stdout.write(JSON.stringify(outcome))
