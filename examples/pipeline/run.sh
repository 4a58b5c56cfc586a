#!/bin/sh
# A pipeline of shell tools: no Python, no library. It leaves two sorted parts, a rule learned on
# the one, its errors on the other, and metrics.json, whose figures become points of the run.
#
#   sh run.sh FOLDER     the folder that ../cancer/data.py wrote
set -eu
export LC_ALL=C

table=$(find "$1" -name cancer.csv)

# Every fourth patient is held out. Columns: patient_id, mean_radius ... malignant.
tail -n +2 "$table" | awk -F, 'NR % 4 { print $2 "," $NF }' | sort -t, -k1,1n >training.csv
tail -n +2 "$table" | awk -F, 'NR % 4 == 0 { print $2 "," $NF }' | sort -t, -k1,1n >held_out.csv

# The radius above which the fewest masses are misjudged.
awk -F, '
    { radius[NR] = $1; malignant[NR] = $2; below += $2 == 0 }
    END {
        least = NR + 1
        wrong = below                # all called malignant
        for (i = 1; i <= NR; i++) {  # all up to i called benign
            wrong += malignant[i] ? 1 : -1
            if (wrong < least) { least = wrong; at = radius[i] }
        }
        printf "%s %.4f\n", at, 1 - least / NR
    }' training.csv >rule.txt
read -r radius inside <rule.txt

awk -F, -v radius="$radius" -v inside="$inside" '
    { called = $1 > radius; right += called == $2; found += called && $2; ill += $2 }
    END {
        printf "{\"radius\": %s, \"accuracy\": {\"training\": %s, \"held_out\": %.4f},", \
            radius, inside, right / NR
        printf " \"sensitivity\": %.4f, \"held_out\": %d}\n", found / ill, NR
    }' held_out.csv >metrics.json

echo "masses wider than $radius are called malignant"
cat metrics.json
