// Walks through the built site in headless Chromium and prints what it saw as JSON.
//   node walk.mjs CHROMIUM DIST DOCS SCREENSHOTS
import { existsSync, readFileSync } from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import { extname, join, resolve } from 'node:path'

const [chromium, dist, docs, screenshots] = process.argv.slice(2)
const require = createRequire(resolve(docs, 'package.json'))
const { chromium: browserType } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' }
const server = http.createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://site').pathname)
  const file = join(dist, path.endsWith('/') ? path + 'index.html' : path)
  if (!existsSync(file)) return response.writeHead(404).end()
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(file))
})
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const site = `http://127.0.0.1:${server.address().port}`

const browser = await browserType.launch({
  executablePath: chromium,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const seen = { errors: [], foreign: [], searches: {}, timelines: [], overflow: {}, script_bytes: {}, accessibility: {} }

async function open(path, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options })
  page.on('pageerror', (error) => seen.errors.push(`${path}: ${error.message}`))
  page.on('request', (request) => request.url().startsWith(site) || request.url().startsWith('data:') || seen.foreign.push(request.url()))
  const scripts = []
  page.on('response', (response) => {
    if (/\.js$/.test(response.url()) && !/localSearchIndex/i.test(response.url())) scripts.push(response.body().then((body) => body.length))
  })
  await page.goto(site + path, { waitUntil: 'networkidle' })
  seen.script_bytes[path] = (await Promise.all(scripts)).reduce((sum, bytes) => sum + bytes, 0)
  return page
}

const PAGES = ['/', '/zh/', '/1-single-process.html', '/zh/2-multi-process.html', '/3-multi-thread.html', '/zh/errata.html', '/students/commands.html', '/zh/instructors/trust.html']
for (const path of PAGES) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(path, { colorScheme })
    await page.evaluate(axe)
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical' || impact === 'moderate')
    if (serious.length) seen.accessibility[`${path} ${colorScheme}`] = serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.target.join(' ')).join(' | ')}`)
    await page.screenshot({ path: join(screenshots, `${path.replaceAll('/', '_')}-${colorScheme}.png`) })
    await page.close()
  }
  const phone = await open(path, { viewport: { width: 390, height: 844 } })
  const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (over > 0) seen.overflow[path] = over
  await phone.close()
}

// From an English step to the same step in Chinese, by keyboard and mouse as a reader would.
const page = await open('/1-single-process.html')
await page.hover('.VPNavBarTranslations button')
await page.click('.VPNavBarTranslations a')
await page.waitForURL(/\/zh\/1-single-process/)
seen.switched = page.url()
await page.evaluate(() => document.querySelectorAll('img').forEach((image) => image.scrollIntoView()))
await page.waitForLoadState('networkidle')
seen.timelines = await page.$$eval('.timeline img', (images) => images.map((image) => image.naturalWidth))
await page.close()

const SEARCHES = { '/': ['zombie', 'half-close', 'SO_REUSEADDR', 'back-pressure', 'sigwait'], '/zh/': ['僵尸', '半关闭', '互斥锁', '虚假唤醒', '背压', '文件描述符', '回收', 'SIGCHLD', '短写'] }
for (const [path, queries] of Object.entries(SEARCHES)) {
  const page = await open(path)
  for (const query of queries) {
    await page.click('.VPNavBarSearch button')
    await page.fill('#localsearch-input', query)
    await page.waitForSelector('#localsearch-list .result, .no-results', { timeout: 10000 })
    seen.searches[query] = await page.$$eval('#localsearch-list .result', (results) => results.map((result) => result.textContent))
    await page.keyboard.press('Escape')
  }
  await page.close()
}

await browser.close()
server.close()
console.log(JSON.stringify(seen, null, 1))
