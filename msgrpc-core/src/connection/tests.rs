//! Tests of both halves.
