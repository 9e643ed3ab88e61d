"""`python -m worker.observe.audit > docs/audit.md`: prints the catalogue as a page of the documentation."""

import sys

from worker.observe.audit import audit_kinds

if __name__ == "__main__":
    sys.stdout.write(audit_kinds.markdown())
