/** Which resources this operator serves, where several operators share a cluster. */

import type { Table } from '../crds/types.gen.ts'
import { tables } from '../directory/kinds.ts'
import { type Controller, type Kind, type KubeObject, keyFor, type Reader } from '../operator/mod.ts'
import { classOf } from './classes.ts'

/**
 * True when the Table's class names this operator, or when no class is found: then every operator says the same of it,
 * under the same field manager.
 */
export function servesTable(table: Table, controllerName: string, read: Reader): boolean {
  const found = classOf(table, read)
  return found === undefined || found.spec.controllerName === controllerName
}

/** The same for what refers to a Table. */
export function servesDependent(
  object: { metadata: { namespace: string }; spec: { tableRef: { name: string } } },
  controllerName: string,
  read: Reader,
): boolean {
  const table = read(tables).get(keyFor(object.spec.tableRef.name, object.metadata.namespace))
  return table === undefined || servesTable(table, controllerName, read)
}

/** A controller that passes over the objects that are not for this operator: it writes nothing to them. */
export function onlyServed<T extends KubeObject>(
  controller: Controller,
  kind: Kind<T>,
  serves: (object: T, read: Reader) => boolean,
): Controller {
  return {
    ...controller,
    run: async (key, environment) => {
      const object = environment.caches.open(kind).get(key)
      if (object !== undefined && !serves(object, environment.caches.read)) return { result: 'gone' }
      return controller.run(key, environment)
    },
  }
}
