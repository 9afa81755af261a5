/** Decodes payloads sent to workflows. A payload that cannot be decoded becomes a value that fits no schema and fails no workflow task. */
import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/common';

const UNREADABLE = Symbol('unreadable');

export const payloadConverter: PayloadConverter = {
  toPayload: (value, context) => defaultPayloadConverter.toPayload(value, context),
  fromPayload: <Value>(payload: Parameters<PayloadConverter['fromPayload']>[0], context?: { type: string }) => {
    try {
      return defaultPayloadConverter.fromPayload<Value>(payload);
    } catch (error) {
      // Results of activities are the project's own, so an unreadable one is an error.
      if (context?.type !== 'workflow') throw error;
      return UNREADABLE as Value;
    }
  },
};
