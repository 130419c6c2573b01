"""The room of the verbs: what each command means. They decide; they know no connection and wait for none."""
