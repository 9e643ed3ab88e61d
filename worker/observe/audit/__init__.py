"""The audit trail: who did what and when, in chained lines that show what was changed or cut."""
