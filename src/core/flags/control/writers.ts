import type { KubeObject, ManagedFieldsEntry } from "../../../api/kubernetes.ts";
import { ANNOTATION_REQUEST } from "../../../api/request.ts";

/** Who wrote what of an object, as the API server keeps it in managedFields: all that history asks of them. */

type Fields = Readonly<Record<string, unknown>>;
const REQUEST = `f:${ANNOTATION_REQUEST}`;

/** Of managedFields what `lastEditor` and `lastRequester` need, in a tenth of the room. */
export function writers(entries: readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] {
  return entries.flatMap((entry) => {
    const { manager, time, subresource } = entry;
    const [spec, request] = [ownsSpec(entry), ownsRequest(entry)];
    if ((!spec && !request) || manager === undefined || (subresource ?? "") !== "") return [];
    const fieldsV1 = {
      ...(spec ? { "f:spec": {} } : {}),
      ...(request ? { "f:metadata": { "f:annotations": { [REQUEST]: {} } } } : {}),
    };
    return [{ manager, ...(time === undefined ? {} : { time }), fieldsV1 }];
  });
}

/** Who last wrote the spec.
 * @param but whose own writes do not count */
export function lastEditor(object: KubeObject, but?: string): string | undefined {
  return last(object, (entry) => ownsSpec(entry) && entry.manager !== but);
}

/** Who last wrote a request. */
export function lastRequester(object: KubeObject): string | undefined {
  return last(object, ownsRequest);
}

function ownsSpec({ fieldsV1 }: ManagedFieldsEntry): boolean {
  return fieldsV1 !== undefined && "f:spec" in fieldsV1;
}

function ownsRequest({ fieldsV1 }: ManagedFieldsEntry): boolean {
  const annotations = (fieldsV1?.["f:metadata"] as Fields | undefined)?.["f:annotations"] as Fields | undefined;
  return annotations !== undefined && REQUEST in annotations;
}

function last({ metadata }: KubeObject, owns: (entry: ManagedFieldsEntry) => boolean): string | undefined {
  const own = (metadata.managedFields ?? []).filter(owns);
  return own.toSorted((a, b) => ((a.time ?? "") < (b.time ?? "") ? 1 : -1))[0]?.manager;
}
