import { usePlayground } from './context.ts';
import { Certificate } from './Certificate.tsx';
import { PersonCard } from './PersonCard.tsx';

/** Both users: who they are, and how to become another. */
export function IdentityPanel() {
  const { people } = usePlayground();
  return (
    <>
      <div className="panel-head">
        <h2>Identities</h2>
      </div>
      <p className="quiet">A key pair is a user: no sign-up, no password. Whoever has the private key is the user, on any device.</p>
      {people.map((person) => (
        <PersonCard key={person.name} person={person} />
      ))}
      <Certificate />
    </>
  );
}
