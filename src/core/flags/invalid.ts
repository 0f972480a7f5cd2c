/** Why a flag cannot be served as it stands. Admission refuses most of it; what only other objects show, or what CEL cannot
 * see, ends here. Thrown within the compiler, and a value outside of it. */
export class FlagInvalid extends Error {
  override readonly name = "FlagInvalid";
  readonly reason: InvalidReason;

  /** @param message one sentence that says where, what was found, and what is accepted */
  constructor(reason: InvalidReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export type InvalidReason =
  | "SpecImpossible" // what another version of the CRD let in
  | "KeyReserved"
  | "FlagSetForeign"
  | "VariantUnknown"
  | "TargetTwice"
  | "ConditionRefused"
  | "SegmentMissing"
  | "SegmentCycle"
  | "PrerequisiteMissing"
  | "PrerequisiteInvalid"
  | "PrerequisiteCycle"
  | "RampTooFine"
  | "TooLarge";
