/** Tables are made known to Trino, and forgotten, as often as one likes; a name never changes its place unseen. */
import assert from 'node:assert/strict'
import { isBlastyError } from '../../base/errors.ts'
import { missingHere, testNeeding } from '../../devstack/lake/needs.ts'
import { testStack, testTrino, uniqueName } from '../../devstack/testing.ts'
import { everyType } from '../../test/readers/every-type.ts'
import { creation, plainDelta } from '../../test/readers/plain-delta.ts'
import { objectStore } from '../object-store/store.ts'
import { trino } from './client.ts'
import { qualified, registerTable, tableLocation, unregisterTable } from './tables.ts'

const withTrino = testNeeding(await missingHere('trino'))

/** A client, a name of dashes as resources have them, and the places of two tables. */
async function scene() {
  const stack = await testStack('objectStore')
  const store = objectStore({ ...stack.objectStore, pathStyle: true })
  const bucket = uniqueName('tables')
  await store.makeBucket(bucket)
  for (const path of ['one', "it's two"]) {
    await using writer = await plainDelta(store, { bucket, path })
    await writer.commit(0, ...creation(everyType))
  }
  const { server, catalog } = await testTrino()
  const schema = uniqueName('ns')
  return {
    client: trino({ server, user: 'test' }),
    name: { catalog, schema, table: 'my-films' },
    one: `s3://${bucket}/one`,
    two: `s3://${bucket}/it's two`,
    nowhere: `s3://${bucket}/nowhere`,
  }
}

withTrino(
  'a table is known after it was registered, also twice and by two at once, and unknown after it was unregistered',
  async () => {
    const { client, name, one } = await scene()
    assert.equal(await tableLocation(client, name), undefined, 'there is not even the schema')
    await unregisterTable(client, name)
    await Promise.all([registerTable(client, name, one), registerTable(client, name, one)])
    await registerTable(client, name, one)
    assert.equal(await tableLocation(client, name), one)
    assert.deepEqual(await client.rows(`SELECT count(*) FROM ${qualified(name)}`), [[0n]])
    await unregisterTable(client, name)
    await unregisterTable(client, name)
    assert.equal(await tableLocation(client, name), undefined)
  },
)

withTrino('a name that stands for another place is refused with both places, until it is unregistered', async () => {
  const { client, name, one, two } = await scene()
  await registerTable(client, name, one)
  await assert.rejects(registerTable(client, name, two), error => {
    return isBlastyError(error, 'BACKEND_REFUSED') && error.message.includes(one) && error.message.includes(two)
  })
  await unregisterTable(client, name)
  await registerTable(client, name, two)
  assert.equal(await tableLocation(client, name), two)
})

withTrino('a place without a Delta table is refused', async () => {
  const { client, name, nowhere } = await scene()
  await assert.rejects(registerTable(client, name, nowhere), error => isBlastyError(error, 'QUERY_FAILED'))
  assert.equal(await tableLocation(client, name), undefined)
})
