/** Which image files a data set of the paper has, and their targets, from the folders as their publishers lay them out. */
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

export interface LabelledFile {
  path: string;
  target: number;
}

/** AFAD-Lite, age in years from faces: `<folder>/<age>/<111 for men, 112 for women>/<id>.jpg`. */
export function afadFiles(folder: string): LabelledFile[] {
  const ages = (existsSync(folder) ? readdirSync(folder) : []).filter(name => /^\d+$/.test(name));
  const files = ages.flatMap(age => ['111', '112']
    .map(gender => join(folder, age, gender))
    .filter(existsSync)
    .flatMap(images => readdirSync(images).filter(name => /\.jpe?g$/i.test(name)).map(name => ({path: join(images, name), target: Number(age)}))));
  return some(files, `no ${join(folder, '<age>', '<111 or 112>', '<id>.jpg')}`);
}

/**
 * RSNA Bone Age, bone age in months from hand radiographs: `<folder>/boneage-training-dataset.csv` with the columns id, boneage and male,
 * and `<folder>/boneage-training-dataset/<id>.png`, also with a second folder of that name inside the first, as one archive has it.
 */
export function rsnaFiles(folder: string): LabelledFile[] {
  const name = 'boneage-training-dataset';
  const table = join(folder, `${name}.csv`);
  const images = [join(folder, name, name), join(folder, name)].find(existsSync);
  if (images === undefined || !existsSync(table)) {
    throw new Error(`${folder} must hold ${name}.csv and the folder ${name}.`);
  }
  const [header, ...lines] = readFileSync(table, 'utf8').trim().split(/\r?\n/);
  const columns = header.split(',').map(column => column.trim().toLowerCase());
  const [id, age] = [columns.indexOf('id'), columns.indexOf('boneage')];
  if (id < 0 || age < 0) {
    throw new Error(`${table} must have the columns id and boneage; its header is '${header}'.`);
  }
  const files = lines.map((line, l) => {
    const cells = line.split(',');
    const target = Number(cells[age] || NaN);
    if (!Number.isFinite(target)) {
      throw new Error(`${table}, line ${l + 2}: '${line}' has no bone age.`);
    }
    return {path: join(images, `${cells[id].trim()}.png`), target};
  }).filter(({path}) => existsSync(path));
  return some(files, `none of the images of ${table} in ${images}`);
}

function some(files: LabelledFile[], otherwise: string): LabelledFile[] {
  if (files.length === 0) {
    throw new Error(`There is ${otherwise}.`);
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}
