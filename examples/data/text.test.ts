import assert from 'node:assert/strict'
import { it } from 'node:test'
import { repairedText } from './text.ts'

it('text read in the wrong character set is put right', () => {
  assert.equal(repairedText("De battre mon coeur s'est arrÍtÈ"), "De battre mon coeur s'est arrêté")
  assert.equal(repairedText('DÈj‡ Vu'), 'Déjà Vu')
  assert.equal(repairedText('The Naked Gun 2Ω: The Smell of Fear'), 'The Naked Gun 2½: The Smell of Fear')
})

it('text that is right stays as it is', () => {
  assert.equal(repairedText('Alien³'), 'Alien³')
  assert.equal(repairedText('Ri¢hie Ri¢h'), 'Ri¢hie Ri¢h')
  assert.equal(repairedText('Plain'), 'Plain')
})
