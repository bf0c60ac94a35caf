"""A trial's process: run as a file by its host, which says where modules are to be found."""

import json
import sys

if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[1])
    from gasearch_workers.sandbox.child import main

    main(sys.argv[2:])
