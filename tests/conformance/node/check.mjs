// Named checks: `--list` tells their names, else they run one after the other, each reported as a line of JSON.
const checks = []

export const check = (name, perform) => checks.push({ name, perform })

export async function run() {
  if (process.argv.includes('--list')) {
    for (const { name } of checks) console.log(JSON.stringify({ name }))
    return
  }
  for (const { name, perform } of checks) {
    const began = performance.now()
    let error = null
    try {
      await perform()
    } catch (thrown) {
      error = describe(thrown)
    }
    console.log(JSON.stringify({ name, error, ms: Math.round(performance.now() - began) }))
  }
  process.exit()
}

function describe(thrown) {
  const cause = thrown.cause ? `\ncause: ${thrown.cause.stack ?? JSON.stringify(thrown.cause)}` : ''
  return `${thrown.stack}${thrown.error ? `\nerror: ${thrown.error} ${thrown.error_description ?? ''}` : ''}${cause}`
}
