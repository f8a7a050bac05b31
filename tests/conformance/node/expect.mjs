// What a peer must throw.
import assert from 'node:assert/strict'

// The hub said no: an OAuth error, as JSON or as a challenge beside it.
export const refused = (error, status) => (thrown) => {
  const said = thrown.error ?? thrown.cause?.[0]?.parameters?.error
  assert.equal(said, error, thrown.stack)
  if (status) assert.equal(thrown.status, status)
  return true
}

// The peer itself saw what is wrong with an answer.
export const seen = (what) => (thrown) => {
  const message = `${thrown.message} ${thrown.cause?.message ?? ''}`
  assert.match(message, what)
  return true
}
